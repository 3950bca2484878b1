#!/bin/sh
# Starts nginx in the box of containers: the files of nginx/, which are written for one machine, with the names of the
# box in place of its addresses. A name in a variable is asked for again, so that a container that was made anew is found.
#
#   nginx.sh [FOLDER [COMMAND …]]
set -eu
box=${BOX:-/box}
to=${1:-/tmp/nginx}
[ $# -eq 0 ] || shift
rm -rf "$to"
mkdir -p "$to/conf.d" "$to/sites-enabled"
cp -R "$box/nginx/." "$to/"
cp "$box/nginx.conf" "$to/nginx.conf"
cp "$box/n8n.conf" "$to/sites-enabled/n8n.conf"
mv "$to/flowkeep.conf" "$to/sites-enabled/"
[ ! -f "$to/flowkeep-http.conf" ] || mv "$to/flowkeep-http.conf" "$to/conf.d/"
# A tool with a host name of its own is there, and no longer under a path of Flowkeep's.
own() {
  [ -n "$2" ] || return 0
  rm "$to/flowkeep-tools/$1.conf"
  sed "s,$1\.example\.com;,$2;," "$to/sites/$1.conf" >"$to/sites-enabled/$1.conf"
}
own adminer "${ADMINER_HOST:-}"
own dozzle "${DOZZLE_HOST:-}"
find "$to" -name '*.conf' -exec sed -i \
  -e "s,127\.0\.0\.1:333[34],${FLOWKEEP_ADDRESS:?}:3333," \
  -e 's,proxy_pass http://127\.0\.0\.1:8081;,set $flowkeep_tool http://adminer:8080; proxy_pass $flowkeep_tool;,' \
  -e 's,proxy_pass http://127\.0\.0\.1:8080;,set $flowkeep_tool http://dozzle:8080; proxy_pass $flowkeep_tool;,' \
  -e "s,/etc/ssl/\([a-z0-9]*\)\.example\.com\.,${CERTIFICATES:-/certificates}/\1.," \
  -e "s,https://flowkeep\.example\.com;,https://${FLOWKEEP_HOST:?}${PORT_IN_URLS:-};," \
  -e "s,flowkeep\.example\.com,${FLOWKEEP_HOST:?},g" \
  -e "s,n8n\.example\.com,${N8N_HOST:?},g" {} +
if [ $# -eq 0 ]; then set -- nginx -g 'daemon off;' -c "$to/nginx.conf"; fi
exec "$@"
