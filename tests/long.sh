#!/bin/sh
# Everything that takes too long for every run: sh tests/long.sh
set -eu
cd "$(dirname "$0")/.."
# The slot protocol's model without a bound on its states: up to an hour, several gigabytes.
PROTOCOL_WAYS="${PROTOCOL_WAYS:-0}" cargo test --locked --test protocol -- --nocapture --test-threads 1
# The table of repairs, carried out from more states.
RGC_TABLE_EVERY="${RGC_TABLE_EVERY:-31}" cargo test --locked --test table -- --nocapture
# Moves that meet each other on real servers, two hundred times each.
RGC_ROUNDS="${RGC_ROUNDS:-200}" cargo test --locked --test races -- --nocapture --test-threads 1
# The storm and the readers of bytes, each time with other cases; those that fail are kept beside the tests.
RGC_STORM_CASES="${RGC_STORM_CASES:-50000}" RGC_PARSER_CASES="${RGC_PARSER_CASES:-100000}" \
    cargo test --profile storm --locked --test storm --test parsers
