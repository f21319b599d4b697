#!/bin/sh
# The DSPs as remote processors: what one boot on the board platform shows. What a check prints stands between "@@ name"
# lines; the tests judge it. Lines "@ctl …" ask the test to do this to the emulator (`vhost-hexagon ctl`).

# A message of the kernel in the middle of an "@ctl" line would make another line of it; dmesg has them all.
dmesg -n 1

section() { echo "@@ $1"; }
now() { cut -d' ' -f1 /proc/uptime; }
took() { awk -v from="$2" -v to="$(now)" -v what="$1" 'BEGIN { printf "%s took %.2f s\n", what, to - from }'; }

# The remote processor of a DSP, found by its firmware.
remoteproc() {
    for found in /sys/class/remoteproc/remoteproc*; do
        [ "$(cat "$found/firmware")" = "$1.mbn" ] && echo "$found"
    done
}
cdsp=$(remoteproc cdsp)
adsp=$(remoteproc adsp)
state() { echo "$1 state $(cat "$2/state")"; }

# Waits until a command succeeds, 300 s at most.
until_true() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ $n -ge 6000 ] && echo "gave up waiting: $*" && return 1
        sleep 0.05
    done
}
is() { [ "$(cat "$1/state")" = "$2" ]; }
serving() { [ -e "/dev/fastrpc-$1" ]; }
logged() { dmesg | grep -c "$1"; }
more_logged() { [ "$(logged "$1")" -gt "$2" ]; }
calc() {
    VH_DSP=$1 vh-calc >/tmp/calc.$1 2>&1
    echo "$1 calculator status $? $(grep -c -e 'Sum = 499500' -e 'Max value = 999' /tmp/calc.$1)"
    grep failed /tmp/calc.$1
}
# Kernel messages since the last call of `mark`.
mark() { marked=$(dmesg | wc -l); }
since() { dmesg | tail -n +$((marked + 1)); }

section both
calc cdsp >/tmp/both.cdsp &
calc adsp >/tmp/both.adsp &
wait
cat /tmp/both.cdsp /tmp/both.adsp
state cdsp "$cdsp"
state adsp "$adsp"

section stop
mark
VH_DSP=adsp vh-calc --repeat 20 --hold 3000 >/tmp/adsp 2>&1 &
bystander=$!
for round in 1 2 3; do
    from=$(now)
    echo stop >"$cdsp/state"
    took "stop $round" "$from"
    state cdsp "$cdsp"
    serving cdsp && echo "the device node is still there"
    calc adsp
    from=$(now)
    echo start >"$cdsp/state"
    until_true serving cdsp
    took "start $round" "$from"
    calc cdsp
done
wait $bystander
echo "bystander $? $(tr '\n' ' ' </tmp/adsp)"
since | grep -i -E 'time.?out|timed out|ssctl|sysmon|fail|error' && echo complained

section crash
mark
up=$(logged 'is now up')
echo "@ctl crash cdsp the DSP tripped over its own feet"
until_true more_logged 'is now up' "$up"
until_true serving cdsp
since
calc cdsp
calc adsp

section watchdog
mark
up=$(logged 'is now up')
echo "@ctl watchdog adsp"
until_true more_logged 'is now up' "$up"
until_true serving adsp
since
calc adsp

section recovery
mark
echo disabled >"$cdsp/recovery"
echo "@ctl crash cdsp down for good"
until_true is "$cdsp" crashed
sleep 1
state cdsp "$cdsp"
calc adsp
echo enabled >"$cdsp/recovery"
until_true is "$cdsp" running
until_true serving cdsp
since
calc cdsp

section missing
mark
echo stop >"$cdsp/state"
echo missing.mbn >"$cdsp/firmware"
echo start >"$cdsp/state" || echo "start failed"
since
state cdsp "$cdsp"

section damaged
mark
firmware=/lib/firmware
# One byte of a segment that the DSP checks: the first one's begin at 4 KiB.
at=$((0x1010))
head -c $at $firmware/cdsp.mbn >$firmware/damaged.mbn
head -c $((at + 1)) $firmware/cdsp.mbn | tail -c 1 | tr '\000-\377' '\001-\377\000' >>$firmware/damaged.mbn
tail -c +$((at + 2)) $firmware/cdsp.mbn >>$firmware/damaged.mbn
echo "different $(cmp -l $firmware/cdsp.mbn $firmware/damaged.mbn | wc -l)"
echo damaged.mbn >"$cdsp/firmware"
echo start >"$cdsp/state" || echo "start failed"
since
state cdsp "$cdsp"
calc adsp

section repaired
echo stop >"$cdsp/state" 2>/dev/null
echo cdsp.mbn >"$cdsp/firmware"
echo start >"$cdsp/state" || echo "start failed"
until_true serving cdsp
state cdsp "$cdsp"
calc cdsp

section coredump
mark
up=$(logged 'is now up')
echo enabled >"$cdsp/coredump"
echo "@ctl crash cdsp dump me"
dump() { ls /sys/class/devcoredump/devcd*/data 2>/dev/null; }
until_true dump
cat "$(dump)" >/share/cdsp.core
echo 0 >"$(dump)"
echo "dump $(wc -c </share/cdsp.core)"
until_true more_logged 'is now up' "$up"
until_true serving cdsp
echo disabled >"$cdsp/coredump"
state cdsp "$cdsp"
calc cdsp

section kernel
dmesg | grep -E 'WARNING:|BUG:|Oops|stack-protector|blocked for more than|refcount'
section end
