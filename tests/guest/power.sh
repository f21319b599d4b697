#!/bin/sh
# Power, drivers that come and go, and another kernel on the same machine: what one boot shows, on any platform. What a
# check prints stands between "@@ name" lines; the tests judge it.

# A message of the kernel in the middle of an "@ctl" line would make another line of it; dmesg has them all.
dmesg -n 1

section() { echo "@@ $1"; }
calc() {
    VH_DSP=$1 vh-calc >/tmp/calc.$1 2>&1
    echo "$1 calculator status $? $(grep -c -e 'Sum = 499500' -e 'Max value = 999' /tmp/calc.$1)"
    grep failed /tmp/calc.$1
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
mark() { marked=$(dmesg | wc -l); }
since() { dmesg | tail -n +$((marked + 1)); }
oopses() { grep -E 'WARNING:|BUG:|Oops|stack-protector|blocked for more than|refcount'; }

if [ -e /vh/second ]; then
    section second
    calc cdsp
    calc adsp
    section second_kernel
    dmesg | oopses
    section end
    exit 0
fi

# All modules of the chain, the last one first, and back.
section drivers
mark
reload=$(grep -v '^$' /vh/modules)
# Where SMEM's driver is part of the kernel, it keeps the lock's.
grep -q '^smem.ko' /vh/modules || reload=$(echo "$reload" | grep -v qcom_hwspinlock)
for module in $(echo "$reload" | sed '1!G;h;$!d'); do
    rmmod "${module%.ko}" || echo "not unloaded: $module"
done
echo "left: $(lsmod | grep -v '^qcom_hwspinlock' | grep -c -i -e qcom -e smp2p -e fastrpc -e qrtr -e virtio_mmio)"
for module in $reload; do
    insmod "/vh/lib/$module" || echo "not loaded: $module"
done
until_true serving cdsp
until_true serving adsp
calc cdsp
calc adsp
since | grep -i -E 'time.?out|timed out|fail|error'

# Sleeps until the clock's alarm.
freeze() {
    echo 0 >/sys/class/rtc/rtc0/wakealarm
    echo +3 >/sys/class/rtc/rtc0/wakealarm
    echo freeze >/sys/power/state
    echo "woken $?"
}

section idle
mark
freeze
since | grep -c 'PM: suspend exit'
calc cdsp
calc adsp

section parked
mark
# The call waits in the skeleton while the guest sleeps; its answer comes into a guest that is asleep.
vh-invoke bench 5 --word 2000 >/tmp/parked 2>&1 &
short=$!
vh-invoke bench 5 --word 8000 >/tmp/long 2>&1 &
long=$!
sleep 1
freeze
wait $short
echo "short $? $(cat /tmp/parked)"
wait $long
echo "long $? $(cat /tmp/long)"
since | grep -c 'PM: suspend exit'
calc cdsp

section kernel
dmesg | oopses

if [ ! -e /vh/Image ]; then
    section end
    exit 0
fi
section kexec
touch /vh/second
(cd / && find . -xdev ! -name Image | cpio -o -H newc >/tmp/initrd) 2>/dev/null
vh-invoke bench 5 --word 60000 >/dev/null 2>&1 &
sleep 1
vh-kexec /vh/Image /tmp/initrd
