#!/bin/sh
# DSPs that crash and recover again and again, both with clients in the middle of calls. See board.sh for the lines.

# A message of the kernel in the middle of an "@ctl" line would make another line of it; dmesg has them all.
dmesg -n 1
# What the kernel said before, its command line among it, is not about crashes.
marked=$(dmesg | wc -l)

section() { echo "@@ $1"; }
sample() {
    sleep 0.5
    echo "@sample $1"
    sleep 0.5
}
until_true() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ $n -ge 6000 ] && echo "gave up waiting: $*" && return 1
        sleep 0.05
    done
}
serving() { [ -e "/dev/fastrpc-$1" ]; }
# Free pages that wait on the processors' own lists (megabytes at times, on kernels that size the lists by use) are free, too.
free_kib() {
    awk '/^MemAvailable/ { kib += $2 } $1 == "count:" { kib += 4 * $2 } END { print kib }' /proc/meminfo /proc/zoneinfo
}
calc() {
    VH_DSP=$1 vh-calc >/tmp/calc.$1 2>&1
    echo "$1 calculator status $? $(grep -c -e 'Sum = 499500' -e 'Max value = 999' /tmp/calc.$1)"
}
crashes() { dmesg | grep -c "handling crash"; }
ups() { dmesg | grep -c "is now up"; }
more() { [ "$($1)" -gt "$2" ]; }
crash() {
    before=$(ups)
    echo "@ctl crash $1 $2"
    until_true more ups "$before" && until_true serving "$1"
}
# $1 cycles, both DSPs by turns, under 5 clients of the CDSP and 3 of the ADSP (it has fewer sessions).
cycles() {
    vh-crashers --clients 5 >/tmp/crashers.cdsp &
    on_cdsp=$!
    VH_DSP=adsp vh-crashers --clients 3 >/tmp/crashers.adsp &
    on_adsp=$!
    sleep 3
    for cycle in $(seq "$1"); do
        dsp=cdsp
        [ $((cycle % 2)) = 0 ] && dsp=adsp
        crash $dsp "cycle $cycle" || break
        # Long enough for its clients to be in the middle of calls again.
        sleep 1.2
    done
    kill -TERM $on_cdsp $on_adsp
    crash cdsp "the last but one"
    crash adsp "the last"
    wait $on_cdsp
    echo "status $? $(cat /tmp/crashers.cdsp)"
    wait $on_adsp
    echo "status $? $(cat /tmp/crashers.adsp)"
}

section warm
cycles 4
sample before
echo "guest before $(free_kib)"

section cycles
recovered=$(ups)
cycles 48
echo "recovered $(($(ups) - recovered))"
calc cdsp
calc adsp
sample after
echo "guest after $(free_kib)"

section kernel
dmesg | tail -n +$((marked + 1)) | grep -E 'WARNING:|BUG:|Oops|stack-protector|blocked for more than|refcount|imed out|imeout'
section end
