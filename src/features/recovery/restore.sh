#!/bin/sh
# Restores a Flowkeep backup without Flowkeep. Needs PostgreSQL's client programs, zstd or gzip, and
# age for an encrypted backup.
#   ./restore.sh BACKUP_FILE NEW_DATABASE_URL
# as in
#   ./restore.sh n8n-20261121T063059Z-7b646e60.dump.zst postgres://n8n:PASSWORD@127.0.0.1:5432/n8n
# The database is made; one that is there already is left alone. Then start n8n on it with the
# encryption key in n8n-encryption.key.
set -eu
[ $# -eq 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
file=$1 url=$2
case $url in *\?*) echo "write the URL without a question mark and options" >&2; exit 2 ;; esac
name=${url##*/} server=${url%/*}
if [ -f "$file.manifest.json" ]; then
  wanted=$(sed -nE 's/.*"sha256": "([0-9a-f]{64})".*/\1/p' "$file.manifest.json" | head -1)
  echo "$wanted  $file" | sha256sum -c -
else
  echo "no $file.manifest.json beside the file: its hash cannot be compared" >&2
fi
open="cat" plain=$file
case $file in
  *.age) open="age -d -i $(dirname "$0")/backup-age.key" plain=${file%.age} ;;
esac
case $plain in
  *.dump.zst) read="zstd -dc" ;;
  *.dump.gz) read="gzip -dc" ;;
  *.dump) read="cat" ;;
  *) echo "$file is no dump of one database; unpack it with tar" >&2; exit 2 ;;
esac
createdb --maintenance-db="$server/postgres" "$name"
# The reader's own end must not be lost in the pipe.
ended=$(mktemp)
{ { $open <"$file" || echo failed >"$ended"; } | $read || echo failed >"$ended"; } | pg_restore --no-owner --no-acl --exit-on-error --dbname="$url"
if [ -s "$ended" ]; then rm "$ended"; echo "the file could not be read to its end" >&2; exit 1; fi
rm "$ended"
echo "restored into $name"
