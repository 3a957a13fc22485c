#!/bin/sh
# Apache Kafka as one node, out of the jars that `cargo xtask setup` has fetched.
#   kafka.sh format DIR               writes the folder of an empty broker to DIR/data
#   kafka.sh run DIR                  becomes the broker whose server.properties is in DIR
# Environment: VG_KAFKA, the folder with lib/*.jar.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
act=${1:?format or run} dir=${2:?folder}
kafka=${VG_KAFKA:?folder of the jars}
# Started often and run for seconds: the quick compiler, the small collector.
java() { exec java -Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
    -Dlog4j2.configurationFile="$here/kafka/log4j2.yaml" -cp "$kafka/lib/*" "$@"; }
case $act in
format)
    sed -e "s|@DIR@|$dir|g; s|@PORT@|9092|g; s|@CONTROLLER@|9093|g" "$here/kafka/server.properties" > "$dir/format.properties"
    # A fixed cluster: nothing in the laboratory meets another one.
    java kafka.tools.StorageTool format --cluster-id AAAAAAAAAAAAAAAAAAAAAA --config "$dir/format.properties" \
        --add-scram 'SCRAM-SHA-512=[name=gateway,password=gateway-lab]'
    ;;
run) java kafka.Kafka "$dir/server.properties" ;;
*) echo "unknown: $act" >&2; exit 2 ;;
esac
