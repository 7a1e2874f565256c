//! A machine as server: its kernel serves what our kernel back end applied there, from a disk of its own.

use std::{path::Path, time::Duration};

use slotwright_tests::{
    deployment::slotwright,
    nfs::{
        tools,
        vm::{Machine, Root},
    },
    ports::Ports,
    server::folder,
};

use crate::redis::{self, Writer};

/// Starts the kernel's server, as a system would, with nothing exported, and with a short lease. Until its period of
/// grace is over, it gives nobody a new file.
const SERVE: &str = r#"
mount -t ext4 /dev/vda /data
mkdir -p /var/lib/nfs/rpc_pipefs /var/lib/nfs/nfsdcld /var/lib/nfs/sm /run/rpcbind
touch /etc/exports /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t rpc_pipefs rpc /var/lib/nfs/rpc_pipefs
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind
nfsdcld
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/fs/nfsd/nfsv4gracetime
rpc.nfsd 2
rpc.mountd
until grep -q Y /proc/fs/nfsd/v4_end_grace; do usleep 100000; done
"#;

/// The longest that one command of ours may take; a verification syncs often, which takes an emulated disk a while.
const VERIFY: Duration = Duration::from_secs(300);

/// Three exports on the disk, for this machine itself.
const SPEC: &str = "name: demo\nshards: 3\nreplicas-per-shard: 0\nstorage:\n  nfs:\n    server: kernel\n    \
    address: 127.0.0.1\n    base-directory: /data/redis\n    mount-point: /data\n    clients: [127.0.0.1/32]\n";

#[test]
fn the_kernel_serves_what_was_applied_and_keeps_what_is_used() {
    let place = folder();
    let disk = place.path().join("disk");
    make_disk(&disk);
    let mut root = Root::server();
    redis::add(&mut root);
    root.program(slotwright().to_str().unwrap());
    root.text("/spec.yaml", 0o644, SPEC);
    let port = Ports::reserve(1);
    let mut machine = Machine::new("server").disk(&disk).forward(port.first(), redis::PORT).boot(&root);
    machine.ok(SERVE);

    // Applied, seen by the server's own programs, and nothing to do the second time.
    exports(&mut machine, 0, "apply", &["pv1: serve to", "pv3: serve to"]);
    assert_eq!(exported(&mut machine), ["pv1", "pv2", "pv3"]);
    let listed = machine.ok("showmount --no-headers -e 127.0.0.1");
    assert_eq!(listed.matches("127.0.0.1/32").count(), 3, "{listed}");
    exports(&mut machine, 0, "apply", &["nothing to do"]);
    // An emulated disk may be called slow (status 4), which is no concern of this test.
    let verified =
        machine.run_within(VERIFY, "slotwright exports verify --appends 20 --limit 600 --spec /spec.yaml");
    assert!([0, 4].contains(&verified.status), "{}", verified.text);
    assert_eq!(verified.text.matches("a node can live here").count(), 3, "{}", verified.text);

    // Mounted as rendered; whoever writes is the owner of the directory.
    for command in mount_commands(&mut machine) {
        let command = command.strip_suffix(" /mnt").unwrap();
        let name = command.rsplit_once('/').unwrap().1;
        machine.ok(&format!("mkdir /mnt/{name} && {command} /mnt/{name}"));
        machine.ok_as("redis", &format!("cd /mnt/{name} && echo a >new && mv new kept && echo b >>kept"));
        machine.ok_as("other", &format!("touch /mnt/{name}/others"));
        let owners = machine.ok(&format!("cd /data/redis/{name} && cat kept && stat -c %u:%g kept others"));
        assert_eq!(owners, "a\nb\n999:999\n999:999\n");
    }

    // What Redis uses is not taken away, nor what a client of NFSv3 has mounted.
    redis::configure(&mut machine, "/mnt/pv1");
    redis::start(&mut machine).unwrap();
    machine.ok("redis-cli cluster addslotsrange 0 16383");
    redis::await_cluster(&mut machine);
    let writer = Writer::new(port.first());
    writer.await_more(50);
    machine.ok("umount /mnt/pv2 && mount -t nfs -o nfsvers=3,nolock 127.0.0.1:/data/redis/pv2 /mnt/pv2");
    exports(&mut machine, 3, "remove pv1", &["pv1", "is in use by 127.0.0.1", "open over NFSv4"]);
    exports(&mut machine, 3, "remove pv2", &["pv2", "is in use by 127.0.0.1", "mounted over NFSv3"]);
    exports(&mut machine, 3, "remove", &["pv1", "pv2"]);
    assert_eq!(exported(&mut machine), ["pv1", "pv2", "pv3"]);

    // What nobody uses goes, and its data stays; Redis notices nothing.
    machine.ok("umount /mnt/pv3");
    exports(&mut machine, 0, "remove pv3", &["/data/redis/pv3"]);
    assert_eq!(exported(&mut machine), ["pv1", "pv2"]);
    let gone = machine.run("mount -t nfs -o nfsvers=4.1,hard 127.0.0.1:/data/redis/pv3 /mnt/pv3");
    assert_ne!(gone.status, 0);
    assert_eq!(machine.ok("cat /data/redis/pv3/kept"), "a\nb\n");
    writer.await_more(50);
    redis::kill(&mut machine);
    redis::start(&mut machine).unwrap();
    writer.await_more(50);
    let acknowledged = writer.stop();
    redis::check(port.first(), &acknowledged);

    // When the clients are gone, so may the exports be.
    machine.ok("redis-cli shutdown nosave; umount /mnt/pv1 /mnt/pv2");
    // Nobody told rpc.mountd that the second was unmounted (a kernel alone does not): its note is overruled by name.
    exports(&mut machine, 3, "remove pv2", &["mounted over NFSv3"]);
    exports(&mut machine, 0, "remove --even-if-used pv2", &[]);
    assert_eq!(exported(&mut machine), [""; 0]);
    machine.ok("test -e /data/redis/pv1/nodes.conf && ! ls /etc/exports.d/*");
}

/// Runs `slotwright exports` in the machine; its exit status, and words that it must say.
fn exports(machine: &mut Machine, status: i32, command: &str, words: &[&str]) {
    let output = machine.run_within(VERIFY, &format!("slotwright exports {command} --spec /spec.yaml"));
    assert_eq!(output.status, status, "exports {command}:\n{}", output.text);
    for word in words {
        assert!(output.text.contains(word), "exports {command} lacks `{word}`:\n{}", output.text);
    }
}

/// Names of the exports that the server's table has.
fn exported(machine: &mut Machine) -> Vec<String> {
    let table = machine.ok("exportfs -v");
    let paths = table.lines().filter_map(|line| line.strip_prefix("/data/redis/"));
    let mut names: Vec<String> = paths.map(|path| path.trim().to_owned()).collect();
    names.sort();
    names
}

/// The commands that mount the exports at `/mnt`.
fn mount_commands(machine: &mut Machine) -> Vec<String> {
    let text = machine.ok("slotwright exports render --json --spec /spec.yaml");
    let rendered: serde_json::Value = serde_json::from_str(&text).unwrap();
    let exports = rendered["exports"].as_array().unwrap();
    exports.iter().map(|export| export["mount_command"].as_str().unwrap().to_owned()).collect()
}

/// A file system of the kind that servers have.
fn make_disk(image: &Path) {
    let mut command = tools::program("usr/sbin/mke2fs");
    let output = command.args(["-q", "-t", "ext4"]).arg(image).arg("64M").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
