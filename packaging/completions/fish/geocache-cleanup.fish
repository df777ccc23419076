# fish completion of geocache-cleanup(8)

set --local command complete --command geocache-cleanup
set --local any "__fish_seen_subcommand_from run check history status migrate"
set --local database "__fish_seen_subcommand_from run check history migrate"
set --local job "__fish_seen_subcommand_from run check"
set --local table "__fish_seen_subcommand_from run check migrate"
set --local report "__fish_seen_subcommand_from check history status"

$command --no-files
$command --long-option help --description "Show help"
$command --condition "not $any" --long-option version --description "Show the version"
$command --condition "not $any" --arguments run --description "Delete the stale rows"
$command --condition "not $any" --arguments check --description "Show what a run would do"
$command --condition "not $any" --arguments history --description "Show past runs"
$command --condition "not $any" --arguments status --description "Show the services"
$command --condition "not $any" --arguments migrate --description "Apply the migrations"

$command --condition "$any" --exclusive --long-option instance \
    --arguments "(path change-extension '' /etc/geocache-cleanup/*.env | path basename)" \
    --description "Act as this instance"
$command --condition "$database" --exclusive --long-option database-url --description "SQLAlchemy URL"
$command --condition "$table" --exclusive --long-option table --description "Table to prune"
$command --condition "$table" --exclusive --long-option time-column --description "Its time column"
$command --condition "$database" --exclusive --long-option timeout --description "Seconds it may take"
$command --condition "$any" --exclusive --long-option log-format --arguments "auto json text" \
    --description "Format of the events"
$command --condition "$any" --exclusive --long-option log-level \
    --arguments "debug info warning error" --description "Least level of the events"

$command --condition "$job" --exclusive --long-option retention-days --description "Days to keep"
$command --condition "$job" --exclusive --long-option before --arguments now \
    --description "Delete what lies before an instant"
$command --condition "$job" --exclusive --long-option time-zone \
    --arguments "(timedatectl list-timezones 2>/dev/null)" --description "Zone of bare times"
$command --condition "$job" --exclusive --long-option batch-seconds \
    --description "Length of one transaction"
$command --condition "$job" --exclusive --long-option reclaim --arguments "yes no" \
    --description "Give free space back"
$command --condition "$job" --exclusive --long-option max-delete-percent \
    --description "Most that a run may delete"
$command --condition "$job" --require-parameter --force-files \
    --long-option metrics-file --description "Prometheus text file"

$command --condition "__fish_seen_subcommand_from run" --long-option dry-run \
    --description "Count, delete nothing"
$command --condition "$report" --long-option json --description "Print one JSON document"
$command --condition "__fish_seen_subcommand_from migrate" --long-option sql \
    --description "Print the SQL, change nothing"
$command --condition "__fish_seen_subcommand_from status" --exclusive --long-option max-age \
    --description "Hours after which a service is late"
$command --condition "__fish_seen_subcommand_from history" --exclusive --long-option limit \
    --description "Runs to show, newest first"
