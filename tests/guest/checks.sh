#!/bin/sh
# Everything the end-to-end tests look at in one boot. What a check prints stands between "@@ name" lines; the tests
# judge it. Lines "@sample name" ask the test to look at the emulator's own memory at this moment.

section() { echo "@@ $1"; }
sample() {
    sleep 0.5
    echo "@sample $1"
    sleep 0.5
}

section calculator
vh-calc
echo "status $?"

section real
if [ -e /vh/real/libcalculator_skel.so ]; then
    DSP_LIBRARY_PATH="/vh/real;" vh-calc
    echo "status $?"
else
    echo absent
fi

section processes
vh-calc --procs 3 --repeat 20 --hold 300
echo "status $?"

section kill
vh-invoke bench 4 --word 0xffffffff --out 4 &
victim=$!
sleep 1.5
kill -9 $victim && echo "killed"
wait $victim 2>/dev/null
vh-calc
echo "status $?"

section crash
sin() { echo "sin $1 $(vh-invoke misbehave $1 --word $2 --out 4 2>&1 | grep -E '^(invoke|open) =')"; }
vh-calc --repeat 20 --hold 8000 >/tmp/bystander 2>&1 &
bystander=$!
sleep 0.7
for sin in 2 3 4 5 6 7 8 9 11 13 20 21 24; do
    sin $sin 0xdeadbee0
done
wait $bystander
echo "bystander $? $(tr '\n' ' ' </tmp/bystander)"
vh-calc
echo "status $?"

section survive
sin 12 0
sin 14 0
sin 17 0x1234
sin 19 3
vh-calc
echo "status $?"

section log
vh-invoke bench 7 --word 4711
grep 4711 /tmp/syslog

section perf
FASTRPC_PERF_ADSP=1 FASTRPC_PERF_FREQ=5 vh-invoke bench 2 --repeat 12
echo "status $?"
grep -o -E 'fastrpc\.dsp\.perf.*|dsp perf for handle.*|perf init.*|fastrpc_perf_init: .*|Failed to .* perf .*' /tmp/syslog

section echo
vh-bench --null 50 --echo 5
echo "status $?"

section fault
vh-invoke bench 6 --word 1048576 --in 1048576 --out 4 --lie 1114112
dmesg | grep -i 'context fault'
vh-calc
echo "status $?"

section missing
vh-invoke nothing 2

section memory
# Free pages that wait on the processors' own lists (megabytes at times, on kernels that size the lists by use) are free, too.
free_kib() {
    awk '/^MemAvailable/ { kib += $2 } $1 == "count:" { kib += 4 * $2 } END { print kib }' /proc/meminfo /proc/zoneinfo
}
vh-invoke bench 2 --repeat 2000
sample before
echo "guest before $(free_kib)"
vh-invoke bench 2 --repeat 10000
for i in 1 2 3 4 5 6 7 8 9 10; do vh-calc >/dev/null || echo "calc failed"; done
sample after
echo "guest after $(free_kib)"

section kernel
dmesg | grep -E 'WARNING:|BUG:|Oops|stack-protector|blocked for more than|refcount'
section end
