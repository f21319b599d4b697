# Runs a case's program in the guest. Everything it prints, and the words of this script, go through the kernel's log: so a
# line is never torn by a message of the kernel's, and all of them are in the order in which they happened.
#   $1: what the kernel calls a hung task, in seconds; $2 …: the program
exec 3>/dev/kmsg
say() { echo "<12>vh: $*" >&3; }
hung=$1
shift
token="vh-end-$$-$(cut -d' ' -f1 /proc/uptime)"

say "kernel $(uname -r)"
# Both drivers have one name on the rpmsg bus. They are told apart by the buses of their context banks.
drivers=
[ -e /sys/bus/platform/drivers/qcom,fastrpc-cb ] && drivers=fastrpc
for sign in /sys/bus/qda-compute-cb /sys/module/qda /dev/accel/accel0; do
    [ -e $sign ] && drivers="$drivers qda" && break
done
say "drivers $drivers"
if [ -e /proc/sysrq-trigger ]; then say "sysrq yes"; else say "sysrq no"; fi
say "nodes $(ls /dev/fastrpc-* /dev/accel/* 2>/dev/null | tr '\n' ' ')"
echo "$hung" 2>/dev/null >/proc/sys/kernel/hung_task_timeout_secs

mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
leaks=/sys/kernel/debug/kmemleak
if [ -w $leaks ]; then
    say "kmemleak"
    # What the boot leaked is not this case's.
    (echo scan >$leaks && echo clear >$leaks) 2>/dev/null || leaks=
else
    leaks=
fi

mkfifo /tmp/vh.out
(
    while IFS= read -r line; do
        case "$line" in
            "") continue ;;
            "$token") break ;;
        esac
        # A record of the log has at most 1024 bytes.
        while [ ${#line} -gt 900 ]; do
            echo "<12>vh| ${line:0:900}" >&3
            line=${line:900}
        done
        echo "<12>vh| $line" >&3
    done </tmp/vh.out
) &
reader=$!
exec 4>/tmp/vh.out
say "start"
"$@" </dev/null >&4 2>&1 3>&- 4>&-
status=$?
printf '\n%s\n' "$token" >&4
wait $reader
say "done $status"

# Who is left must not hold anything any more when the account is closed; the driver frees from a work queue.
kill -9 -1 2>/dev/null
sleep 1
if [ -n "$leaks" ]; then
    # It does not look at what is younger than 5 s, and takes two scans to be sure.
    sleep 5
    (echo scan && sleep 1 && echo scan) >$leaks 2>/dev/null
    while IFS= read -r line; do
        echo "<12>$line" >&3
    done <$leaks
fi
say "end"
exit $status
