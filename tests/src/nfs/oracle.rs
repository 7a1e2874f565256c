//! `exportfs` of nfs-utils as the judge of exports files.
//!
//! It runs in namespaces of its own, in a root that consists of a folder in memory with this system's programs in it:
//! its own `/etc`, no network, names from a short `hosts` file, and a few folders to export. Nothing of this machine is
//! changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::tools;

/// Folders that are there; besides these `/srv/file` is a file, `/srv/link` a link to `/srv/a`, and one
/// has a line feed in its name.
pub const FOLDERS: [&str; 19] = [
    "/srv/a",
    "/srv/a/in",
    "/srv/b",
    "/srv/c",
    "/srv/sentinel",
    "/srv/with blank",
    "/srv/with\"quote",
    "/srv/with#hash",
    "/srv/with(paren)",
    "/srv/with,comma",
    "/srv/naïve",
    "/srv/-dash",
    "/srv/x\\040y",
    "/data/nfs/redis/pv1",
    "/data/nfs/redis/pv2",
    "/data/nfs/redis/pv3",
    "/data/nfs/redis/pv4",
    "/data/nfs/redis/pv5",
    "/data/nfs/redis/pv6",
];

/// Names that resolve, by the name that the resolver answers with.
pub const HOSTS: &str = "127.0.0.1 localhost\n10.0.0.11 db1\n10.0.0.12 db2.example.org\n10.0.0.13 db3 db3-alias\n\
                         fd00::11 db6\n";

/// The exports files of one machine.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// `/etc/exports`.
    pub main: Option<Vec<u8>>,
    /// Names and contents in `/etc/exports.d`.
    pub drop_ins: Vec<(String, Vec<u8>)>,
}

/// What `exportfs -r` made of them.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// True if it exited with 0.
    pub success: bool,
    /// What it said.
    pub said: String,
    /// The table that it wrote for mountd: `path`, a tab, `client(options)` in each line.
    pub etab: Vec<u8>,
}

/// Runs inside the namespaces. `$1` is the folder of the cases, `$2` the root of the tools.
const SCRIPT: &str = r#"
set -eu
root=$1/root
mkdir "$root"
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p usr dev etc tools cases var/lib/nfs
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then cp -P "/$name" "$name"
    elif [ -d "/$name" ]; then mkdir "$name"; mount --rbind "/$name" "$name"
    fi
done
mount --rbind /usr usr
mount --rbind /dev dev
mount --bind "$2" tools
mount --bind "$1/cases" cases
cp "$1/hosts" etc/hosts
echo 'hosts: files' > etc/nsswitch.conf
while IFS= read -r folder; do mkdir -p ".$folder"; done < "$1/folders"
: > srv/file
mkdir "srv/line
feed"
ln -s /srv/a srv/link
exec chroot "$root" /bin/sh -eu -c '
for case in /cases/*; do
    rm -rf /etc/exports /etc/exports.d /var/lib/nfs/*
    cp -r "$case/etc/." /etc/
    code=0
    LD_LIBRARY_PATH=/tools/usr/lib/x86_64-linux-gnu /tools/usr/sbin/exportfs -r > "$case/said" 2>&1 < /dev/null || code=$?
    echo "$code" > "$case/code"
    cat /var/lib/nfs/etab > "$case/etab"
done'
"#;

/// Asks `exportfs -r` about each of the cases by itself.
///
/// # Panics
/// When there are no tools, no namespaces can be made, or `exportfs` cannot be run.
pub fn ask(cases: &[Files]) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let case = |index: usize| folder.path().join(format!("cases/{index:06}"));
    for (index, files) in cases.iter().enumerate() {
        write(&case(index).join("etc"), files);
    }
    fs::write(folder.path().join("hosts"), HOSTS).unwrap();
    fs::write(folder.path().join("folders"), FOLDERS.join("\n") + "\n").unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private", "sh", "-c", SCRIPT, "sh"])
        .arg(folder.path())
        .arg(tools::root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the judge cannot be asked: {said}");
    (0..cases.len()).map(|index| outcome(&case(index))).collect()
}

fn write(etc: &Path, files: &Files) {
    fs::create_dir_all(etc.join("exports.d")).unwrap();
    if let Some(main) = &files.main {
        fs::write(etc.join("exports"), main).unwrap();
    }
    for (name, bytes) in &files.drop_ins {
        fs::write(etc.join("exports.d").join(name), bytes).unwrap();
    }
}

fn outcome(case: &Path) -> Outcome {
    let file = |name: &str| -> PathBuf { case.join(name) };
    Outcome {
        success: fs::read_to_string(file("code")).unwrap().trim() == "0",
        said: String::from_utf8_lossy(&fs::read(file("said")).unwrap()).into_owned(),
        etab: fs::read(file("etab")).unwrap(),
    }
}
