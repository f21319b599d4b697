#!/bin/sh
# Programs that are killed at every step of their lives, and a gibibyte that comes and goes. The test says how many, in a line before
# these (KILLS=60). See checks.sh for the lines.

# A message of the kernel in the middle of a line would make another one of it; dmesg has them all.
dmesg -n 1
marked=$(dmesg | wc -l)

section() { echo "@@ $1"; }
sample() {
    sleep 0.5
    echo "@sample $1"
    echo "@status $1"
    sleep 0.5
}
now() { awk '{ print int($1 * 1000) }' /proc/uptime; }
program() { vh-invoke bench 2 --repeat 50; }

# Stops and starts the DSP: the driver numbers its calls afresh then.
restart() {
    for rproc in /sys/class/remoteproc/remoteproc*; do
        [ "$(cat $rproc/firmware)" = cdsp.mbn ] || continue
        echo stop >$rproc/state
        echo start >$rproc/state
    done
    n=0
    until [ -e /dev/fastrpc-cdsp ]; do
        n=$((n + 1))
        [ $n -ge 1200 ] && echo "gave up waiting: the DSP" && break
        sleep 0.05
    done
    # The driver sets up its sessions after the device.
    sleep 0.5
}

# How long a whole life is, in milliseconds.
program >/dev/null
begun=$(now)
for i in 1 2 3 4; do program >/dev/null; done
life=$((($(now) - begun) / 4))

# Every fifth is killed in a call that lasts, the others each at one of fifty places of a whole life. Stock drivers lose the number of
# each call that a program is killed in (the listener's is always one), of 255 that a channel has: the DSP has to start anew.
kills() {
    for n in $(seq "$1"); do
        if [ $((n % 5)) = 0 ]; then
            vh-invoke bench 5 --word 600000 >/dev/null 2>&1 &
            wait_for=$life
        else
            # Not the function: it would be a shell that is killed.
            vh-invoke bench 2 --repeat 50 >/dev/null 2>&1 &
            wait_for=$((life * (n % 50) / 50))
        fi
        victim=$!
        usleep $((wait_for * 1000))
        if kill -9 $victim 2>/dev/null; then killed=$((killed + 1)); else over=$((over + 1)); fi
        wait $victim 2>/dev/null
        [ $((n % 100)) = 0 ] && restart
    done
}

section warm
kills 20
vh-calc >/dev/null || echo "calc failed"
sample before

section kills
killed=0 over=0
kills "$KILLS"
echo "life $life"
echo "killed $killed"
echo "over $over"
vh-calc
echo "status $?"
sample after

section gibibyte
gibibyte 1
sample mapped
gibibyte 3
echo "status $?"
sample unmapped

section kernel
dmesg | tail -n +$((marked + 1)) | grep -E 'WARNING:|BUG:|Oops|stack-protector|blocked for more than|refcount|imed out|imeout'
section end
