//! The exported folders and what they lie on.
//!
//! A file system can be exported if it finds a file by its handle (`s_export_op` in the kernel;
//! Documentation/filesystems/nfs/exporting.rst), and if it has a name in handles: a device, or an `fsid=`
//! (`check_export` in fs/nfsd/export.c; exports(5), "fsid=").

use std::path::Path;

use super::{
    super::{
        facts::{self, Facts, FileSystem},
        options::{Mountpoint, Options},
    },
    Report, Seen,
};

/// What the kernel's NFS server can do with a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// All.
    Whole,
    /// It serves, with a drawback.
    Poor(&'static str),
    /// It has no device, so it needs `fsid=`; and has a drawback besides, if told.
    WithFsid(Option<&'static str>),
    /// Nothing.
    No(&'static str),
    /// Not known here.
    Unknown,
}

/// What is known of a file system by its type.
pub(super) fn support(file_system: &FileSystem) -> Support {
    let kind = file_system.kind.split('.').next().unwrap_or_default();
    match kind {
        "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "f2fs" | "jfs" | "nilfs2" | "ocfs2" | "gfs2"
        | "bcachefs" | "zfs" | "reiserfs" => Support::Whole,
        "vfat" | "msdos" | "exfat" | "ntfs" | "ntfs3" | "fuseblk" => {
            Support::Poor("it keeps no owners of its own, or its files change their handles")
        }
        "iso9660" | "udf" | "squashfs" | "erofs" => Support::Poor("it is made for reading"),
        "tmpfs" => Support::WithFsid(Some("it is empty after the next start of the server")),
        "fuse" | "virtiofs" => Support::WithFsid(Some("a file that its program has forgotten becomes stale")),
        "nfs" | "nfs4" => {
            Support::WithFsid(Some("locks are not passed on, and a restart of either server hurts"))
        }
        "ceph" => Support::WithFsid(None),
        "overlay" if file_system.options.split(',').any(|option| option == "nfs_export=on") => {
            Support::WithFsid(Some(
                "its handles need the index of nfs_export=on, and every layer must be exportable",
            ))
        }
        "overlay" => {
            Support::No("an overlay finds files by their handle only if it is mounted with nfs_export=on")
        }
        "proc" | "sysfs" | "devtmpfs" | "devpts" | "cgroup" | "cgroup2" | "debugfs" | "tracefs"
        | "securityfs" | "pstore" | "bpf" | "configfs" | "mqueue" | "hugetlbfs" | "efivarfs"
        | "binfmt_misc" | "nsfs" | "rpc_pipefs" | "nfsd" | "selinuxfs" | "fusectl" => {
            Support::No("it shows the kernel's own state and keeps no files")
        }
        "ramfs" | "rootfs" | "autofs" | "9p" | "cifs" | "smb3" | "ecryptfs" => {
            Support::No("it cannot find a file by its handle")
        }
        _ => Support::Unknown,
    }
}

pub(super) fn entry(report: &mut Report, seen: &Seen<'_>, facts: &dyn Facts) {
    let at = || seen.place(seen.entry.position());
    let path = seen.path();
    match facts.place(seen.entry.path()) {
        facts::Place::Unknown => {}
        facts::Place::Missing => report.critical(
            at(),
            "missing-folder",
            format!("{path} does not exist; exportfs exports it all the same and exits with 1, and no client can mount it"),
            "make the folder, or remove the entry",
        ),
        facts::Place::NotAFolder => report.critical(
            at(),
            "not-a-folder",
            format!("{path} is not a folder; exportfs exports it all the same and exits with 1"),
            "export the folder that it is in, or remove the entry",
        ),
        facts::Place::Folder { file_system, mounted } => {
            if let Some(file_system) = file_system {
                on(report, seen, &file_system);
            }
            let options = || seen.entry.grants().iter().map(|given| &given.grant.options);
            mount_point(report, seen, options(), mounted);
        }
    }
    let points = seen.entry.grants().iter().filter_map(|given| match &given.grant.options.mountpoint {
        Some(Mountpoint::At(point)) => Some(point.as_str()),
        _ => None,
    });
    let unmounted = |point: &&str| {
        matches!(
            facts.place(Path::new(point)),
            facts::Place::Missing | facts::Place::NotAFolder | facts::Place::Folder { mounted: false, .. }
        )
    };
    for point in points.filter(unmounted) {
        report.critical(
            at(),
            "not-mounted",
            format!("nothing is mounted at {point}, and {path} is not exported until something is"),
            "mount it, or correct mp=",
        );
    }
}

fn mount_point<'a>(
    report: &mut Report,
    seen: &Seen<'_>,
    mut options: impl Iterator<Item = &'a Options>,
    mounted: bool,
) {
    let at = seen.place(seen.entry.position());
    let path = seen.path();
    let itself = |options: &Options| options.mountpoint == Some(Mountpoint::Itself);
    if mounted {
        if options.any(|options| options.mountpoint.is_none()) {
            report.info(
                at,
                "mount-not-asked-for",
                format!(
                    "{path} is a mount point; should the mount fail, the empty folder below it is exported"
                ),
                "write mp",
            );
        }
    } else if options.any(itself) {
        report.critical(
            at,
            "not-mounted",
            format!("nothing is mounted at {path}, and with mp it is not exported until something is"),
            "mount it, or leave mp out",
        );
    }
}

/// What the folder lies on.
fn on(report: &mut Report, seen: &Seen<'_>, file_system: &FileSystem) {
    let at = || seen.place(seen.entry.position());
    let (path, kind) = (seen.path(), &file_system.kind);
    let drawback = match support(file_system) {
        Support::Whole | Support::Unknown => None,
        Support::Poor(why) => Some(why),
        Support::No(why) => {
            return report.critical(
                at(),
                "unexportable",
                format!("{path} is on {kind}, which the kernel cannot export: {why}"),
                "export a folder on a disk, or serve it with NFS-Ganesha",
            );
        }
        Support::WithFsid(why) => {
            let identified = |options: &Options| {
                options.fsid.is_some() || options.uuid.is_some() || options.reexport.is_some()
            };
            if !seen.entry.grants().iter().all(|given| identified(&given.grant.options)) {
                report.critical(
                    at(),
                    "fsid-needed",
                    format!("{path} is on {kind}, which has no device to identify it by"),
                    "write fsid= with a number of its own",
                );
            }
            why
        }
    };
    if let Some(why) = drawback {
        report.warning(
            at(),
            "poor-file-system",
            format!("{path} is on {kind}: {why}"),
            "keep data on a disk, for instance with ext4 or xfs",
        );
    }
}
