#!/usr/bin/env bash
# Speaks every text of <language>/manifest.toml into <language>/<id>.wav, and prints what came out.
# Needs the Debian packages flite and sox. The same versions give the same bytes.
#   ./make.sh [language]            default: en
#   VOICE=rms STRETCH=1.0 ./make.sh other voice (flite -lv), other pace (higher is slower)
set -euo pipefail
cd "$(dirname "$0")/${1:-en}"
voice=${VOICE:-awb}
stretch=${STRETCH:-1.04}
rms_target=-19      # dBFS, the level that telephone networks expect of speech
peak_max=-3.5       # dBFS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The figure of a line of `sox -n stats`, for example: stats file 'Pk lev dB'.
stats() { sox "$1" -n stats 2>&1 | awk -v name="$2" 'index($0, name) == 1 { print $NF }'; }

speak() { # id, text
  local id=$1 gain
  # The engine would spell the capitals out.
  flite -voice "$voice" --setf duration_stretch="$stretch" -t "${2//PIN/pin}" -o "$work/raw.wav"
  # Telephone band first, then both ends cut to the speech, then a breath of 20 and 80 ms around it.
  sox -D "$work/raw.wav" -b 16 -r 8000 -c 1 "$work/cut.wav" \
    gain -n -6 highpass 100 lowpass 3400 rate -v 8000 \
    silence 1 0.004 -56d reverse silence 1 0.004 -56d fade t 0.004 reverse fade t 0.004
  gain=$(awk -v is="$(stats "$work/cut.wav" 'RMS lev dB')" -v want="$rms_target" 'BEGIN { print want - is }')
  sox -D "$work/cut.wav" "$work/loud.wav" gain -6 compand 0.001,0.06 \
    "6:-80,-80,-22,-22,-14,-17,-6,-13" "$(awk -v gain="$gain" 'BEGIN { print gain + 6 }')" 2>/dev/null
  gain=$(awk -v rms="$(stats "$work/loud.wav" 'RMS lev dB')" -v peak="$(stats "$work/loud.wav" 'Pk lev dB')" \
    -v want="$rms_target" -v most="$peak_max" \
    'BEGIN { up = want - rms; room = most - peak; print (up < room ? up : room) }')
  sox -D "$work/loud.wav" -b 16 -e signed-integer "$id.wav" gain "$gain" pad 0.02 0.08
}

printf '%-16s %8s %8s %8s %7s\n' id seconds RMS peak bytes
while IFS='=' read -r id text; do
  id=$(tr -d ' "' <<<"$id")
  text=${text#*\"} text=${text%\"*}
  speak "$id" "$text"
  printf '%-16s %8.2f %8.2f %8.2f %7d\n' "$id" "$(soxi -D "$id.wav")" \
    "$(stats "$id.wav" 'RMS lev dB')" "$(stats "$id.wav" 'Pk lev dB')" "$(stat -c %s "$id.wav")"
done < <(sed -n '/^\[texts\]/,$ { /^"/p }' manifest.toml)
