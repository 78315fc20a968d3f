#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What ottla-decode prints for frames given as argument and as input, and what it refuses. $1 is the program.
set -u
decode=$1
failed=0

# expect STATUS TEXT ARGUMENT...: the exit status, and a line that the output (both kinds) must have.
expect() {
    status=$1
    line=$2
    shift 2
    output=$("$decode" "$@" 2>&1 </dev/null)
    code=$?
    if [ $code -ne "$status" ] || ! printf '%s\n' "$output" | grep -qxF -- "$line"; then
        printf 'ottla-decode %s: status %d, output:\n%s\nexpected: %d, %s\n' "$*" $code "$output" "$status" "$line"
        failed=1
    fi
}

request='00110001000000070002 616b 0005 504c41494e'
expect 0 'RequestHeader v1 {"RequestApiKey":17,"RequestApiVersion":1,"CorrelationId":7,"ClientId":"ak"}' request "$request"
expect 0 'SaslHandshakeRequest v1 {"Mechanism":"PLAIN"}' request "$request"
expect 0 '2 bytes left over' request "$request ABCD"
expect 0 'SaslHandshakeResponse v1 {"ErrorCode":33,"Mechanisms":["PLAIN"]}' response 17 1 '00000007 0021 00000001 0005 504c41494e'
expect 0 'ApiVersionsResponse v3 {"ErrorCode":35,"ApiKeys":[],"ThrottleTimeMs":0,"SupportedFeatures":[],"FinalizedFeaturesEpoch":-1,"FinalizedFeatures":[],"ZkMigrationReady":false}' \
    response 18 3 '00000007 0023 01 00000000 00'
expect 1 'ottla-decode: SaslHandshakeRequest v1: bytes end too early' request '00110001000000070002616b0005504c41'
expect 1 'ottla-decode: no API has the key 999' request '03e7000100000007'
expect 1 'ottla-decode: SaslHandshakeResponse v9: not supported' response 17 9 '00000007000000'
for hex in '' 0 '001' 'zz110001' 0011; do
    expect 2 'usage: ottla-decode request HEX' request "$hex"
done
expect 2 'usage: ottla-decode request HEX' response 17 x 00000007
expect 2 'usage: ottla-decode request HEX' response 70000 0 00000007
expect 2 'usage: ottla-decode request HEX'
expect 2 'usage: ottla-decode request HEX' request -

if [ "$(printf '%s\n' "$request" | "$decode" request - | tail -n 1)" != 'SaslHandshakeRequest v1 {"Mechanism":"PLAIN"}' ]; then
    echo 'ottla-decode request -: wrong output'
    failed=1
fi
exit $failed
