//! What the chores need from the system: one table, and its installation with the system's package manager.
//!
//! Packages are installed by `install.sh`, which keeps their services from starting. A program that is there
//! already, from wherever, is used as it is.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::run;

/// Something the system must provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// The program whose presence on `PATH` says that the component is there; or a file, by its whole path.
    pub(crate) program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    /// The service the package would start by itself.
    service: Option<&'static str>,
    /// What it is for.
    purpose: &'static str,
    /// How to get it where the package manager does not have it.
    elsewhere: &'static str,
}

/// The default server.
pub(crate) const REDIS_SERVER: Component = Component {
    program: "redis-server",
    package: "redis-server",
    service: Some("redis-server"),
    purpose: "the server that clusters are made of",
    elsewhere: "Fedora: dnf install redis; Arch: pacman -S redis; Alpine: apk add redis; macOS: brew install redis",
};

/// The other server.
const VALKEY_SERVER: Component = Component {
    program: "valkey-server",
    package: "valkey-server",
    service: Some("valkey-server"),
    purpose: "the server that clusters are made of",
    elsewhere: "Debian has it from release 13 on; otherwise build it from source and put it on PATH, or name redis-server as engine",
};

/// The command-line client, and the tool our times are compared with.
pub(crate) const REDIS_CLI: Component = Component {
    program: "redis-cli",
    package: "redis-tools",
    service: None,
    purpose: "the client that tests and measurements compare with",
    elsewhere: REDIS_SERVER.elsewhere,
};

/// Runs programs of another processor, system calls included.
pub(crate) const QEMU_AARCH64: Component = Component {
    program: "qemu-aarch64",
    package: "qemu-user",
    service: None,
    purpose: "runs the tests of the aarch64 kernels on an emulated processor",
    elsewhere: "Fedora: dnf install qemu-user; Arch: pacman -S qemu-user; Alpine: apk add qemu-aarch64; or leave these tests out: cargo xtask test --native",
};

/// Links programs for aarch64.
pub(crate) const GCC_AARCH64: Component = Component {
    program: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu",
    service: None,
    purpose: "links those tests",
    elsewhere: "Arch: pacman -S aarch64-linux-gnu-gcc; otherwise name a linker in CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
};

/// What such a program is linked with and finds when it runs.
pub(crate) const LIBC_AARCH64: Component = Component {
    program: "/usr/aarch64-linux-gnu/lib/libc.so",
    package: "libc6-dev-arm64-cross",
    service: None,
    purpose: "the C library they are linked with",
    elsewhere: "Arch: pacman -S aarch64-linux-gnu-glibc; otherwise name a linker that has one, as above",
};

/// Sets up the network of tests that have one of their own.
const IP: Component = Component {
    program: "ip",
    package: "iproute2",
    service: None,
    purpose: "sets up networks that tests have to themselves",
    elsewhere: "every distribution has it as iproute2",
};

/// Makes the certificates of tests with TLS.
const OPENSSL: Component = Component {
    program: "openssl",
    package: "openssl",
    service: None,
    purpose: "makes the certificates of tests with TLS",
    elsewhere: "every distribution has it as openssl",
};

/// Makes Python environments that a program can be installed into.
const PYTHON_VENV: Component = Component {
    program: "/usr/lib/python3.11/ensurepip/__init__.py",
    package: "python3-venv",
    service: None,
    purpose: "holds the published schemas of Kubernetes that manifests are validated with",
    elsewhere: "Debian 12 is needed for these tests",
};

/// Servers that can be installed by name.
const ENGINES: [Component; 2] = [REDIS_SERVER, VALKEY_SERVER];

/// What the tests need.
pub(crate) const FOR_TESTS: [Component; 4] = [REDIS_SERVER, REDIS_CLI, IP, OPENSSL];

/// What the tests on Kubernetes need besides.
pub(crate) const FOR_KUBE_TESTS: [Component; 1] = [PYTHON_VENV];

/// The component that provides an engine, when it is one that a package manager may have.
pub(crate) fn engine(program: &str) -> Option<Component> {
    ENGINES.into_iter().find(|component| component.program == program)
}

impl Component {
    fn is_there(&self) -> bool {
        // A library is no program: that the file is there is enough.
        if self.program.starts_with('/') {
            return Path::new(self.program).is_file();
        }
        run::has_program(self.program)
    }
}

/// Installs those components that are missing; says so first. Says nothing when all are there.
pub(crate) fn ensure(components: &[Component]) -> Result<(), Failure> {
    let missing: Vec<&Component> = components.iter().filter(|one| !one.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !run::has_program("apt-get") || !run::has_program("dpkg-query") {
        let list = describe(&missing, |one| one.elsewhere);
        return Err(Failure::said(format!(
            "missing on this system, which is not Debian's kind; install and run again:\n{list}"
        )));
    }
    let packages: Vec<&str> = missing.iter().map(|one| one.package).collect();
    let mut command = as_root(&packages)?;
    eprintln!("Missing here, and now to be installed with apt-get:");
    eprintln!("{}", describe(&missing, |one| one.package));
    eprintln!("No service is started, and none is enabled for the next boot.");

    let services: Vec<&str> = missing.iter().filter_map(|one| one.service).collect();
    let script = run::workspace().join("crates/xtask/src/install.sh");
    command.arg("sh").arg(script).args(["install", "/", &services.join(" ")]).args(&packages);
    let installed =
        command.status().map_err(|error| Failure::said(format!("the installer cannot be run: {error}")))?;

    let missing: Vec<&Component> = missing.into_iter().filter(|one| !one.is_there()).collect();
    match (installed.success(), missing.is_empty()) {
        (true, true) => Ok(()),
        (false, true) => Err(Failure::said("installed, but not put right entirely: see the warning above")),
        (_, false) => {
            let list = describe(&missing, |one| one.elsewhere);
            Err(Failure::said(format!("could not be installed; see above, or get it another way:\n{list}")))
        }
    }
}

/// A command that continues as root: `env`, or `sudo` in front.
fn as_root(packages: &[&str]) -> Result<Command, Failure> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if root {
        return Ok(Command::new("env"));
    }
    if run::has_program("sudo") {
        return Ok(Command::new("sudo"));
    }
    Err(Failure::said(format!(
        "packages can be installed by root only, and there is no sudo; as root: apt-get install {}",
        packages.join(" ")
    )))
}

fn describe(components: &[&Component], source: fn(&Component) -> &'static str) -> String {
    let lines: Vec<String> = components
        .iter()
        .map(|one| format!("  {}: {} ({})", one.program, one.purpose, source(one)))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
