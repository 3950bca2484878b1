# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_flowkeep_global_optspecs
    string join \n h/help V/version
end

function __fish_flowkeep_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_flowkeep_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_flowkeep_using_subcommand
    set -l cmd (__fish_flowkeep_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c flowkeep -n "__fish_flowkeep_needs_command" -s h -l help -d 'Print help'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -s V -l version -d 'Print version'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "serve" -d 'Run the daemon'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "migrate" -d 'Bring the tables of Flowkeep\'s own database up to date'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "migrate-v2" -d 'Take version 2\'s configuration file over, or give it back'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "doctor" -d 'Look at the installation and the machine and say what to fix. Changes nothing. Ends with 0 if all is well, 1 if something could be better, 2 if something is wrong'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "health" -d 'Ask the daemon on this machine how it is. Ends with 1 if it is not ready'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "backup" -d 'Make a backup now and wait for it. Ends with 1 if it fails'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "verify" -d 'Prove a backup by restoring it. Ends with 1 if it is bad and with 2 if it could not be tried'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "recover" -d 'Come back on an empty box: take up a recovery kit and the backups in the backup folder'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "restore" -d 'Restore a backup\'s file into a new database. Needs no database of Flowkeep\'s own. Ends with 1 if the backup is bad and with 2 if it could not be tried'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "openapi" -d 'Print the OpenAPI description of the API'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "admin" -d 'Get back in when nobody can'
complete -c flowkeep -n "__fish_flowkeep_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l file -d 'Version 2\'s configuration file' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l check -d 'Only read the file and say what is wrong with it'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -l undo -d 'Give back what was taken over, within thirty days'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand migrate-v2" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -l json -d 'Answer as JSON'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand health" -l listen -d 'The address that the daemon listens on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand health" -s h -l help -d 'Print help'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l type -d 'What to back up' -r -f -a "n8n\t'n8n\'s database'
flowkeep\t'Flowkeep\'s own database'
full\t'Every database of n8n\'s server, and its roles'
config\t'n8n\'s configuration files and its encryption key'
flows\t'Each workflow as JSON'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l file -d 'A backup file with its manifest beside it. Needs no database' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l key-file -d 'A file that holds n8n\'s encryption key, to try it on the credentials (with --file)' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l identity-file -d 'A file with the private key of an encrypted backup, as in the recovery kit (with --file)' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l kit -d 'The kit' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l passphrase-file -d 'A file with the passphrase in its first line; asked for on standard input if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -l fetch -d 'Fetch the newest backup of each type from the destinations in the kit into the backup folder'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -l file -d 'The backup\'s file; its manifest lies beside it' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -l into -d 'The new database, as in <postgres://user:password@host:5432/n8n_restored>. It is made; one that is there already is refused. Prefer the environment: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -l key-file -d 'A file with n8n\'s encryption key, to try the credentials with it' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -l identity-file -d 'A file with the private key of an encrypted backup, as in the recovery kit' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -l keep-active -d 'Leave workflows active: they run as soon as n8n starts on the database'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand restore" -s h -l help -d 'Print help'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand openapi" -s h -l help -d 'Print help'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and not __fish_seen_subcommand_from reset-password clear-subnets rotate-key setup-link help" -s h -l help -d 'Print help'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and not __fish_seen_subcommand_from reset-password clear-subnets rotate-key setup-link help" -f -a "reset-password" -d 'Set an administrator\'s password, open a locked account and end all sessions'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and not __fish_seen_subcommand_from reset-password clear-subnets rotate-key setup-link help" -f -a "clear-subnets" -d 'Remove every allowed subnet, so that every address may come in'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and not __fish_seen_subcommand_from reset-password clear-subnets rotate-key setup-link help" -f -a "rotate-key" -d 'Make a new data key and encrypt every stored secret under it'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and not __fish_seen_subcommand_from reset-password clear-subnets rotate-key setup-link help" -f -a "setup-link" -d 'Print a new setup link, if there is no administrator yet'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and not __fish_seen_subcommand_from reset-password clear-subnets rotate-key setup-link help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l username -d 'Whose; not needed if there is only one administrator' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l password-stdin -d 'Read the new password from the first line of standard input; otherwise one is made and printed'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -l clear-totp -d 'Turn two-step sign-in off as well'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from reset-password" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from clear-subnets" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from rotate-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l listen -d 'Address and port to listen on' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l public-url -d 'The address people open, as in <https://flowkeep.example.com>; used in links' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l trusted-proxies -d 'Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in `127.0.0.1/32,172.16.0.0/12`. Nobody else\'s are' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l metrics-token-file -d 'A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l stop-grace-seconds -d 'Seconds that running work gets to end when the daemon is stopped' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l database-url -d 'The server for Flowkeep\'s own tables; without it, Flowkeep runs a private PostgreSQL of its own under the data folder. Prefer the environment or a file: others can read flags' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l database-url-file -d 'A file that holds the database URL' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l postgres-dirs -d 'More folders to look for PostgreSQL programs in, before the usual places' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l max-connections -d 'Most connections to Flowkeep\'s own database' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l data-dir -d 'The folder for everything Flowkeep keeps on disk' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l backup-dir -d 'The folder for backups; `backups` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l docker-host -d 'The Docker engine\'s socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy. Without an engine, backups are proven with the PostgreSQL programs of this machine' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l master-key-file -d 'The file with the master key; made at the first start, readable by its owner alone. `master.key` under the data folder if not given' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l admin-username -d 'The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l admin-password-file -d 'A file with the first administrator\'s password, instead of the setup link' -r -F
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l log -d 'What to log, as in `info` or `info,flowkeep=debug`' -r
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -l log-format -d 'How a log line looks' -r -f -a "text\t'For people'
json\t'One JSON object a line, for collectors'"
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from setup-link" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from help" -f -a "reset-password" -d 'Set an administrator\'s password, open a locked account and end all sessions'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from help" -f -a "clear-subnets" -d 'Remove every allowed subnet, so that every address may come in'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from help" -f -a "rotate-key" -d 'Make a new data key and encrypt every stored secret under it'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from help" -f -a "setup-link" -d 'Print a new setup link, if there is no administrator yet'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand admin; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "serve" -d 'Run the daemon'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "migrate" -d 'Bring the tables of Flowkeep\'s own database up to date'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "migrate-v2" -d 'Take version 2\'s configuration file over, or give it back'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "doctor" -d 'Look at the installation and the machine and say what to fix. Changes nothing. Ends with 0 if all is well, 1 if something could be better, 2 if something is wrong'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "health" -d 'Ask the daemon on this machine how it is. Ends with 1 if it is not ready'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "backup" -d 'Make a backup now and wait for it. Ends with 1 if it fails'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "verify" -d 'Prove a backup by restoring it. Ends with 1 if it is bad and with 2 if it could not be tried'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "recover" -d 'Come back on an empty box: take up a recovery kit and the backups in the backup folder'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "restore" -d 'Restore a backup\'s file into a new database. Needs no database of Flowkeep\'s own. Ends with 1 if the backup is bad and with 2 if it could not be tried'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "openapi" -d 'Print the OpenAPI description of the API'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "admin" -d 'Get back in when nobody can'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and not __fish_seen_subcommand_from serve migrate migrate-v2 doctor health backup verify recover restore openapi admin help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and __fish_seen_subcommand_from admin" -f -a "reset-password" -d 'Set an administrator\'s password, open a locked account and end all sessions'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and __fish_seen_subcommand_from admin" -f -a "clear-subnets" -d 'Remove every allowed subnet, so that every address may come in'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and __fish_seen_subcommand_from admin" -f -a "rotate-key" -d 'Make a new data key and encrypt every stored secret under it'
complete -c flowkeep -n "__fish_flowkeep_using_subcommand help; and __fish_seen_subcommand_from admin" -f -a "setup-link" -d 'Print a new setup link, if there is no administrator yet'
