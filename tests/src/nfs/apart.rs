//! A network of one's own, and NFS-Ganesha in it at the usual ports.
//!
//! NFSv3 wants a portmapper, which has one fixed port; so a test moves into network and mount namespaces that only it has.
//! They end with the threads and processes that are in them.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::tools;
use crate::{server::folder, wait::until_blocking};

/// Where every server here serves NFS.
pub const NFS_PORT: u16 = 2049;
/// Where every server here that speaks NFSv3 takes mounts.
pub const MOUNT_PORT: u16 = 20480;
const PORTMAPPER_PORT: u16 = 111;

/// Runs a test with a runtime, a loopback and a `/run` of its own.
///
/// # Panics
/// As the test does, and when the namespaces cannot be made: that takes root.
pub fn apart<T: Send>(test: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let body = || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces are for root");
            run("mount", &["--make-rprivate", "/"]);
            run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
            run("ip", &["link", "set", "lo", "up"]);
            // Without an address besides the loopback's, Ganesha resolves not even 127.0.0.1 (AI_ADDRCONFIG).
            run("ip", &["address", "add", "10.77.0.1/24", "dev", "lo"]);
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test())
        };
        match scope.spawn(body).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// A directory to export at `/data/<name>`.
#[derive(Debug, Clone)]
pub struct Directory {
    name: &'static str,
    options: String,
    owner: (u32, u32),
    /// KiB, when it is a file system of its own.
    size: Option<u32>,
}

impl Directory {
    /// Writable by uid and gid 999, for everyone, squashing nobody.
    pub fn new(name: &'static str) -> Self {
        let options = "Access_Type = RW; Squash = No_Root_Squash;".to_owned();
        Self { name, options, owner: (999, 999), size: None }
    }

    /// With these options of an EXPORT block instead.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// The directory is a file system of its own, with room for so many KiB.
    #[must_use]
    pub fn size(mut self, kib: u32) -> Self {
        self.size = Some(kib);
        self
    }

    /// The directory belongs to this uid and gid.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = (uid, gid);
        self
    }
}

/// rpcbind(8), which tells clients of NFSv3 where everything is. Ended when dropped.
#[derive(Debug)]
pub(super) struct Portmapper(Child);

impl Portmapper {
    /// Starts it in the namespaces of the calling thread.
    pub(super) fn start() -> Self {
        // It becomes a user whom only its package's installation makes, and reads a file of another package.
        for folder in ["/run/etc", "/run/etc-work"] {
            fs::create_dir(folder).unwrap();
        }
        let layers = "lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc-work";
        run("mount", &["-t", "overlay", "-o", layers, "overlay", "/etc"]);
        let users = fs::read_to_string("/etc/passwd").unwrap();
        fs::write("/etc/passwd", format!("{users}_rpc:x:65533:65534::/run/rpcbind:/usr/sbin/nologin\n"))
            .unwrap();
        fs::copy(tools::file("etc/netconfig"), "/etc/netconfig").unwrap();
        fs::create_dir("/run/rpcbind").unwrap();
        let mut program = tools::program("usr/sbin/rpcbind");
        program.arg("-f").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut portmapper = Self(program.spawn().unwrap());
        until_blocking("the portmapper listens", || {
            if let Some(status) = portmapper.0.try_wait().unwrap() {
                panic!("the portmapper ended ({status})");
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, PORTMAPPER_PORT))
        });
        portmapper
    }
}

impl Drop for Portmapper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server, ended when dropped.
pub struct Ganesha {
    folder: TempDir,
    protocols: &'static str,
    _portmapper: Option<Portmapper>,
    children: Vec<Child>,
    mounted: Vec<PathBuf>,
}

impl Ganesha {
    /// Serves these protocols (`4`, `3,4`) and directories, with these further settings of the NFSV4 block.
    pub fn start(protocols: &'static str, version_4: &str, directories: &[Directory]) -> Self {
        let portmapper = protocols.contains('3').then(Portmapper::start);
        let mut server = Self {
            folder: folder(),
            protocols,
            _portmapper: portmapper,
            children: Vec::new(),
            mounted: Vec::new(),
        };
        for directory in directories {
            if let Some(size) = directory.size {
                server.mount(directory.name, size);
            }
        }
        server.configure(version_4, directories);
        server.start_ganesha();
        server
    }

    fn mount(&mut self, name: &str, kib: u32) {
        let directory = self.directory(name);
        fs::create_dir(&directory).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs", directory.to_str().unwrap()]);
        self.mounted.push(directory);
    }

    fn start_ganesha(&mut self) {
        let program = tools::program("usr/sbin/ganesha.nfsd");
        self.spawn(program, &["-F", "-f", "ganesha.conf", "-L", "ganesha.log", "-p", "ganesha.pid"]);
        self.await_port(NFS_PORT);
    }

    /// Ends the server as a crash does.
    pub fn kill9(&mut self) {
        let mut child = self.children.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it again after [`Self::kill9`]: it knows from its folder who was there before.
    pub fn start_again(&mut self) {
        self.start_ganesha();
    }

    fn configure(&self, version_4: &str, directories: &[Directory]) {
        let path = self.path().display();
        let plugins = tools::file("usr/lib/x86_64-linux-gnu/ganesha");
        let mut text = format!(
            "NFS_CORE_PARAM {{ Bind_addr = 127.0.0.1; NFS_Port = {NFS_PORT}; MNT_Port = {MOUNT_PORT}; Enable_NLM = false; \
             Enable_RQUOTA = false; Enable_UDP = false; Protocols = {}; mount_path_pseudo = true; Plugins_Dir = {}; }}\n\
             NFSV4 {{ RecoveryRoot = \"{path}/recovery\"; Only_Numeric_Owners = true; UseGetpwnam = true; {version_4} }}\n",
            self.protocols,
            plugins.display(),
        );
        fs::create_dir_all(self.path().join("recovery")).unwrap();
        for (number, directory) in (1..).zip(directories) {
            let Directory { name, options, owner: (uid, gid), .. } = directory;
            let served = self.directory(name);
            fs::create_dir_all(&served).unwrap();
            chown(&served, Some(*uid), Some(*gid)).unwrap();
            text.push_str(&format!(
                "EXPORT {{ Export_Id = {number}; Path = {}; Pseudo = /data/{name}; {options} FSAL {{ Name = VFS; }} }}\n",
                served.display()
            ));
        }
        fs::write(self.path().join("ganesha.conf"), text).unwrap();
    }

    /// Serves only these directories from now on, while it runs.
    pub fn reconfigure(&self, version_4: &str, directories: &[Directory]) {
        self.configure(version_4, directories);
        self.signal(Signal::HUP);
    }

    fn spawn(&mut self, mut program: Command, arguments: &[&str]) {
        let child = program
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.children.push(child);
    }

    fn await_port(&mut self, port: u16) {
        until_blocking("the server listens", || {
            if let Some(status) = self.children.last_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        });
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The directory behind an export.
    pub fn directory(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What is in the directory behind an export, in order.
    pub fn names(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.directory(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("ganesha.log")).unwrap_or_default()
    }

    /// Stops the process where it stands; the system still accepts connections for it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.children.last().unwrap()), signal).unwrap();
    }
}

impl Drop for Ganesha {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for directory in &self.mounted {
            let _ = Command::new("umount").arg(directory).status();
        }
    }
}
