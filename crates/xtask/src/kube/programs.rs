//! The programs of the test Kubernetes: what it stands on is unpacked from Debian's packages, Kubernetes itself is built
//! from Debian's source. Debian's one package of it, kubectl, crashes now and then (see `build.sh`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Apt, Part, failed};
use crate::failure::Failure;
use crate::run;
use crate::tools::{self, Kit, Store};

use super::place::CACHE_VARIABLE;

/// The version of Kubernetes, and of Debian's source of it.
const VERSION: &str = "1.20.2";
const SOURCE: &str = "pool/main/k/kubernetes/kubernetes_1.20.5+really1.20.2.orig.tar.gz";
const SOURCE_SHA256: &str = "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc";

/// What is built.
const BUILT: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"];

/// The compiler that Kubernetes of this age builds with; the package of Debian 12.
const GO: &str = "golang-1.19-go";

const BUILD: &str = include_str!("build.sh");

/// Says in the folder of built programs how they were made.
const RECIPE: &str = "build.sh";

/// Our programs by the names that they are called by, and what each is: the rest of the packages is for them alone.
const WRAPPED: [(&str, &str); 15] = [
    ("etcd", "usr/bin/etcd"),
    ("containerd", "usr/bin/containerd"),
    ("containerd-shim-runc-v2", "usr/bin/containerd-shim-runc-v2"),
    ("ctr", "usr/bin/ctr"),
    ("runc", "usr/sbin/runc"),
    ("ip", "usr/bin/ip"),
    ("conntrack", "usr/sbin/conntrack"),
    ("dnsmasq", "usr/sbin/dnsmasq"),
    ("openssl", "usr/bin/openssl"),
    ("iptables", "usr/sbin/iptables-nft"),
    ("iptables-save", "usr/sbin/iptables-nft-save"),
    ("iptables-restore", "usr/sbin/iptables-nft-restore"),
    ("ip6tables", "usr/sbin/ip6tables-nft"),
    ("ip6tables-save", "usr/sbin/ip6tables-nft-save"),
    ("ip6tables-restore", "usr/sbin/ip6tables-nft-restore"),
];

static KIT: Kit = Kit {
    what: "the Kubernetes tools",
    purpose: "Programs that a Kubernetes for tests stands on",
    variable: CACHE_VARIABLE,
    packages: &[
        "etcd-server",
        "containerd",
        "runc",
        "containernetworking-plugins",
        // What kube-proxy sets up services with.
        "iptables",
        "conntrack",
        "iproute2",
        // Debian has no CoreDNS.
        "dnsmasq-base",
        "openssl",
        // What is in the images.
        "busybox-static",
        "redis-server",
        "redis-tools",
    ],
    size: "70 MB to download, 300 MB unpacked",
    tried: &[
        ("usr/bin/etcd", "--version"),
        ("usr/bin/containerd", "--version"),
        ("usr/sbin/runc", "--version"),
        ("usr/bin/ip", "-V"),
        ("usr/sbin/iptables-nft", "--version"),
        ("usr/sbin/dnsmasq", "--version"),
        ("usr/bin/openssl", "version"),
        ("usr/bin/redis-server", "--version"),
        ("usr/bin/redis-cli", "--version"),
    ],
    libraries: &[],
    layout: 1,
    finish: wrap,
};

/// The folders of what a cluster is started with.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Unpacked packages, laid out as the root of a system; [`WRAPPED`] is in its folder `wrapped`.
    pub(crate) tools: PathBuf,
    /// Built programs.
    pub(crate) built: PathBuf,
}

impl Programs {
    /// Where they are, or would be, in a cache.
    pub(crate) fn under(cache: &Path) -> Programs {
        Programs { tools: cache.join("tools"), built: cache.join(format!("kubernetes-{VERSION}")) }
    }
}

/// Where programs are kept.
pub(crate) struct Cache<'a> {
    pub(crate) folder: &'a Path,
    /// `PATH` for the package manager's programs.
    pub(crate) path: OsString,
}

impl Cache<'_> {
    /// Makes sure of all programs; says so before it downloads or builds anything, and nothing when they are there.
    pub(crate) fn ensure(&self) -> Result<Programs, Failure> {
        let programs = Programs::under(self.folder);
        Store { kit: &KIT, folder: programs.tools.clone(), path: self.path.clone() }.ensure()?;
        self.ensure_built(&programs.built)?;
        Ok(programs)
    }

    /// The built programs; a build that was killed is begun again, with all that it had compiled.
    fn ensure_built(&self, built: &Path) -> Result<(), Failure> {
        let _lock = debian::lock(&self.folder.join("build.lock"), "Kubernetes")?;
        debian::remove_rests(self.folder, "build.part-");
        if is_complete(built) {
            return Ok(());
        }
        self.check_system()?;
        eprintln!(
            "Kubernetes {VERSION}, now to be built from Debian's source with Debian's Go; nothing is installed:"
        );
        eprintln!("  {}", BUILT.join(", "));
        eprintln!("  into {}; 110 MB to download, about", built.display());
        eprintln!(
            "  4 minutes on two processors, 2 GB of disk and 1 GB of memory meanwhile, 300 MB of disk after"
        );
        // Named after the process: a compiler that a killed run left running may still write into that run's folder.
        let part = Part::new(self.folder.join(format!("build.part-{}", std::process::id())))?;
        self.build(&part.0)?;
        let programs = part.0.join("bin");
        let recipe = programs.join(RECIPE);
        std::fs::write(&recipe, BUILD).map_err(|error| failed(&recipe, &error))?;
        if built.exists() {
            std::fs::rename(built, part.0.join("old")).map_err(|error| failed(built, &error))?;
        }
        std::fs::rename(&programs, built).map_err(|error| failed(built, &error))?;
        // Of use to a build only. What remains of it is in the way of nobody.
        let _ = std::fs::remove_dir_all(self.compiled());
        Ok(())
    }

    /// What the compiler keeps of what it has done. Several may use it at the same time, and it is never half written.
    fn compiled(&self) -> PathBuf {
        self.folder.join("compiled")
    }

    fn build(&self, part: &Path) -> Result<(), Failure> {
        let status = part.join("status");
        std::fs::write(&status, tools::given()).map_err(|error| failed(&status, &error))?;
        let apt = Apt::new(&self.path, part, &status)?;
        let apt = Apt { architectures: &["amd64"], ..apt };
        apt.update();
        apt.download(&[GO])?;
        let go = part.join("go");
        tools::prepare(&go)?;
        for package in apt.downloaded() {
            tools::unpack(&self.path, &package, &go)?;
        }
        let targets = ["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"];
        let targets = run::output(apt.program("apt-get").args(targets))?;
        let tarball = part.join("kubernetes.tar.gz");
        debian::run_as(
            "the download of the source of Kubernetes",
            apt.program("/usr/lib/apt/apt-helper")
                .arg("download-file")
                .arg(format!("{}{SOURCE}", mirror(&targets)?))
                .arg(&tarball)
                .arg(format!("SHA256:{SOURCE_SHA256}")),
        )?;
        let script = part.join(RECIPE);
        run::write_script(&script, BUILD)?;
        let mut build = Command::new("bash");
        build.arg(&script).arg(&tarball).arg(part).arg(VERSION).args(BUILT);
        debian::run_as("building Kubernetes", build.env("GOCACHE", self.compiled()))
    }

    /// Whether there is anything here to build with.
    fn check_system(&self) -> Result<(), Failure> {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let apt = debian::has_programs(&self.path, &["apt-get", "dpkg-deb", "bash", "tar"]);
        let here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
        if apt && here && is_debian_12(&release) {
            return Ok(());
        }
        Err(Failure::said(
            "Kubernetes can be built for tests on Debian 12 for amd64 only (its Go and its source of Kubernetes are \
             used), and this system is another; use a cluster of yours instead: set KUBECONFIG",
        ))
    }
}

/// Whether all programs are there, and made as they would be made now.
fn is_complete(built: &Path) -> bool {
    std::fs::read_to_string(built.join(RECIPE)).is_ok_and(|recipe| recipe == BUILD)
        && BUILT.iter().all(|program| built.join(program).is_file())
}

fn is_debian_12(os_release: &str) -> bool {
    let has = |key: &str, wanted: &str| {
        let value = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.is_some_and(|value| value.trim_matches(['"', '\'']) == wanted)
    };
    has("ID", "debian") && has("VERSION_ID", "12")
}

/// Debian's archive as this system gets it, from what apt-get says of its sources.
fn mirror(targets: &str) -> Result<&str, Failure> {
    let debian = targets.lines().find_map(|line| line.strip_prefix("Debian "));
    debian.filter(|uri| uri.ends_with('/')).ok_or_else(|| {
        Failure::said(
            "apt-get knows no source of Debian's own packages, so Kubernetes' source cannot be had; add one",
        )
    })
}

/// Makes the folder `wrapped`: programs that find their libraries, and nobody else finds these.
fn wrap(root: &Path) -> Result<(), Failure> {
    let folder = root.join("wrapped");
    std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    for (name, program) in WRAPPED {
        run::write_script(&folder.join(name), &wrapper(program))?;
    }
    Ok(())
}

/// The script that starts a program of the tools, wherever their folder is.
fn wrapper(program: &str) -> String {
    format!(
        "#!/bin/sh\nroot=${{0%/wrapped/*}} lib=usr/lib/x86_64-linux-gnu\n\
         export LD_LIBRARY_PATH=$root/$lib XTABLES_LIBDIR=$root/$lib/xtables OPENSSL_CONF=$root/etc/ssl/openssl.cnf\n\
         exec \"$root\"/{program} \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_12_is_debian_12() {
        assert!(is_debian_12("PRETTY_NAME=\"x\"\nVERSION_ID=\"12\"\nID=debian\n"));
        assert!(!is_debian_12("VERSION_ID=\"12\"\nID=other\nID_LIKE=debian\n"));
        assert!(!is_debian_12("ID=debian\nVERSION_ID=\"13\"\n"));
        assert!(!is_debian_12(""));
    }

    #[test]
    fn the_source_comes_from_where_packages_come_from() {
        let targets = "Other http://x/\nDebian-Security http://s/debian-security/\nDebian http://m/debian/\n";
        assert_eq!(mirror(targets).unwrap(), "http://m/debian/");
        assert!(mirror("").unwrap_err().to_string().contains("apt-get knows no source"));
    }

    #[test]
    fn built_programs_count_when_all_are_there_and_made_the_same_way() {
        let folder = std::env::temp_dir().join(format!("xtask-kube-built-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!is_complete(&folder));
        for program in BUILT {
            std::fs::write(folder.join(program), "").unwrap();
        }
        assert!(!is_complete(&folder));
        std::fs::write(folder.join(RECIPE), BUILD).unwrap();
        assert!(is_complete(&folder));
        std::fs::remove_file(folder.join("kubelet")).unwrap();
        assert!(!is_complete(&folder));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn wrapped_programs_find_their_libraries_wherever_the_folder_is() {
        let root = std::env::temp_dir().join(format!("xtask-kube wrapped-{}", std::process::id()));
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        run::write_script(&root.join("usr/bin/ip"), "#!/bin/sh\necho \"$LD_LIBRARY_PATH $*\"\n").unwrap();
        wrap(&root).unwrap();
        let said = run::output(Command::new(root.join("wrapped/ip")).args(["a b", "c"])).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(said, format!("{}/usr/lib/x86_64-linux-gnu a b c\n", root.display()));
    }
}
