#!/bin/busybox sh
# The guest's first program. The initramfs holds the arm64 user space and a folder /vh:
#   /vh/modules     kernel modules to load, one file name per line, in order
#   /vh/run         commands to run (sh); without it a shell is given on the console
#   /vh/keep        if there, the guest is not switched off after /vh/run
# The line "VH-EXIT n" tells whoever started the guest how /vh/run ended.
busybox=/bin/busybox
[ -x $busybox ] || busybox=/usr/bin/busybox
$busybox mkdir -p /bin /sbin /usr/bin /usr/sbin /var/log /run /tmp /proc /sys /dev /etc /root
$busybox --install -s 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
ulimit -c 0
export PATH=/vh/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
# libcdsprpc looks here for skeletons; the last, empty element stands for its own places.
export DSP_LIBRARY_PATH="/vh/skel;"
echo "VH-INIT $(uname -r) up after $(cut -d' ' -f1 /proc/uptime) s"

# The library says what went wrong only to syslog.
syslogd -O /tmp/syslog -S -b 1 -s 4096 2>/dev/null

while read -r module; do
    case "$module" in '' | '#'*) continue ;; /*) file=$module ;; *) file=/vh/ko/$module ;; esac
    insmod "$file" || echo "VH-INIT: cannot load $module"
done </vh/modules

dsp_present() {
    for node in /dev/fastrpc-* /dev/accel/accel*; do
        [ -e "$node" ] && return 0
    done
    return 1
}

if [ ! -e /vh/nowait ]; then
    n=0
    until dsp_present || [ $n -ge 300 ]; do
        sleep 0.05
        n=$((n + 1))
    done
    dsp_present || echo "VH-INIT: no DSP device appeared"
fi
echo "VH-READY $(cut -d' ' -f1 /proc/uptime) $(ls /dev/fastrpc-* 2>/dev/null | tr '\n' ' ')"

if [ -e /vh/run ]; then
    sh /vh/run </dev/console
    echo "VH-EXIT $?"
    [ -e /vh/keep ] || poweroff -f
else
    setsid cttyhack sh -l
    poweroff -f
fi
while :; do sleep 1000; done
