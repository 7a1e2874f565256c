#!/bin/sh
# The first program of the machine: mounts, loads, sets up the network, then does what it is told over the channel.
#
# A request is a line: a number, a time limit in seconds, and a script in base64. The answer is a line with the number,
# the exit status and the length of the output, and then the output. When nobody holds the other end any more, the
# machine switches itself off.

export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
chmod 1777 /tmp
hostname "$(cat /etc/hostname)"

while read -r module; do
    insmod "/modules/$module" || echo "cannot load $module"
done </modules/order

ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2

until channel=$(ls /dev/vport*p1 2>/dev/null); do usleep 20000; done
exec 3<>"$channel"

# Writing waits for ever when nobody holds the other end, and so may a command on a mount whose server is gone.
off() { poweroff -n -f; }
mount -t debugfs debug /sys/kernel/debug
timeout -s KILL 10 sh -c 'echo ready >&3' || off
while grep -q 'host_connected: 1' "/sys/kernel/debug/virtio-ports/${channel##*/}"; do sleep 1; done 3>&- && off &

while read -r number seconds script <&3; do
    echo "$script" | base64 -d >/tmp/script
    timeout -s KILL "$seconds" sh /tmp/script </dev/null >/tmp/output 2>&1 3>&-
    status=$?
    # What goes on in the background may still write.
    cp /tmp/output /tmp/answer
    echo "$number $status $(stat -c %s /tmp/answer)" >&3
    cat /tmp/answer >&3
done
off
