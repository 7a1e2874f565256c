//! An NFS server to try things out with: `nfs_server up|down|status [DIR]`, DIR being `.slotwright/nfs` if none is given.
//!
//! NFS-Ganesha with a bus of its own, NFSv4 on the loopback only, everything in DIR. `up` leaves it running; `down` ends it
//! and keeps the files, so that `up` goes on from there.

#![allow(clippy::unwrap_used, reason = "a helper fails by panicking")]

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use slotwright_tests::{
    nfs::ganesha::{Options, Place},
    ports::Ports,
    wait::until_blocking,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (verb, folder) = match *words.as_slice() {
        [verb] => (verb, ".slotwright/nfs"),
        [verb, folder] => (verb, folder),
        _ => return usage(),
    };
    let folder = std::path::absolute(folder).unwrap();
    let done = match verb {
        "up" => up(&folder),
        "down" => down(&folder),
        "status" => status(&folder),
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: nfs_server up|down|status [DIR]");
    ExitCode::from(2)
}

fn up(folder: &Path) -> Result<(), String> {
    if let Some(place) = running(folder) {
        tell(&place);
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err("NFS-Ganesha serves files for every user: run this as root".to_owned());
    }
    if !Place::fits(folder) {
        return Err(format!(
            "{}: the name is too long for a socket in it; name another folder",
            folder.display()
        ));
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // What a killed server left.
    stop(folder)?;
    let place = match port(folder) {
        // As it was: exports that were applied are served again.
        Some(port) => {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                format!("port {port}, which {} serves at: {error}; end what uses it", folder.display())
            })?;
            Place::new(folder, port)
        }
        None => {
            let place = Place::new(folder, Ports::reserve(1).first());
            place.write(&Options::default());
            fs::write(folder.join("port"), place.port().to_string()).unwrap();
            place
        }
    };
    let mut bus = detached(place.bus_command());
    fs::write(folder.join("bus.pid"), bus.id().to_string()).unwrap();
    wait(&mut bus, "the bus", || place.bus_is_up(), folder)?;
    let mut server = detached(place.server_command());
    wait(&mut server, "the server", || place.is_up(), folder)?;
    tell(&place);
    Ok(())
}

/// Started so that it outlives this program and its terminal.
fn detached(mut command: Command) -> Child {
    command.process_group(0).spawn().unwrap()
}

fn wait(
    child: &mut Child,
    what: &str,
    is_up: impl Fn() -> Result<(), String>,
    folder: &Path,
) -> Result<(), String> {
    until_blocking(what, || match child.try_wait().unwrap() {
        Some(status) => Ok(Err(format!("{what} ended ({status}); see the logs in {}", folder.display()))),
        None => is_up().map(Ok),
    })
    .inspect_err(|_| {
        let _ = stop(folder);
    })
}

fn down(folder: &Path) -> Result<(), String> {
    stop(folder)?;
    println!("nothing runs in {0}; its files are kept, and `rm -r {0}` removes them", folder.display());
    Ok(())
}

/// Ends server and bus, if they run.
fn stop(folder: &Path) -> Result<(), String> {
    for file in ["ganesha.pid", "bus.pid"] {
        let Some(process) = process(folder, file) else { continue };
        for signal in [Signal::TERM, Signal::KILL] {
            let _ = kill_process(process, signal);
            let gone = (0..100).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(50));
                self::process(folder, file).is_none()
            });
            if gone {
                break;
            }
        }
        if self::process(folder, file).is_some() {
            return Err(format!("process {} cannot be ended", process.as_raw_nonzero()));
        }
    }
    Ok(())
}

/// The process that a file names, while it runs in this folder: numbers are used again.
fn process(folder: &Path, file: &str) -> Option<Pid> {
    let number: i32 = fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()?;
    let process = Pid::from_raw(number)?;
    test_kill_process(process).ok()?;
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let ended = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'));
    let works_in = fs::read_link(format!("/proc/{number}/cwd")).ok()?;
    (!ended && works_in == folder.canonicalize().ok()?).then_some(process)
}

/// The port that the server in a folder was given.
fn port(folder: &Path) -> Option<u16> {
    fs::read_to_string(folder.join("port")).ok()?.trim().parse().ok()
}

fn running(folder: &Path) -> Option<Place> {
    process(folder, "ganesha.pid")?;
    process(folder, "bus.pid")?;
    let place = Place::new(folder, port(folder)?);
    place.is_up().ok()?;
    Some(place)
}

fn status(folder: &Path) -> Result<(), String> {
    let place = running(folder).ok_or_else(|| format!("no server runs in {}", folder.display()))?;
    tell(&place);
    let shown = place.send(
        "org.ganesha.nfsd",
        "/org/ganesha/nfsd/ExportMgr",
        "org.ganesha.nfsd.exportmgr.ShowExports",
        &[],
    );
    println!("\nExports:");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let path = lines.peek().and_then(|next| next.strip_prefix("string "));
        if let (Some(id), Some(path)) = (line.strip_prefix("uint16 "), path) {
            println!("  {id:>5}  {}", path.trim_matches('"'));
        }
    }
    Ok(())
}

fn tell(place: &Place) {
    let spec: PathBuf = place.folder().join("spec.yaml");
    let folder = place.folder().display();
    if !spec.exists() {
        let text = format!(
            "name: demo\nshards: 3\nreplicas-per-shard: 1\nstorage:\n  nfs:\n    server: ganesha\n    address: 127.0.0.1\n    \
             port: {}\n    base-directory: {folder}/data\n    clients: [127.0.0.0/8]\n    ganesha:\n      config: {}\n      \
             folder: {}\n      bus: {}\n",
            place.port(),
            place.config().display(),
            place.drop_ins().display(),
            place.bus(),
        );
        fs::write(&spec, text).unwrap();
    }
    println!(
        "NFS-Ganesha serves NFSv4 at 127.0.0.1:{port}\n\
         \x20 configuration  {config}\n\
         \x20 bus            {bus}\n\
         \x20 log            {log}\n\
         \n\
         Try:\n\
         \x20 cargo run --bin slotwright -- exports plan --spec {spec}\n\
         \x20 cargo run --bin slotwright -- exports apply --spec {spec}\n\
         \x20 cargo run --bin slotwright -- exports verify --spec {spec}\n\
         \x20 cargo run --bin slotwright -- exports remove --spec {spec}\n\
         \x20 cargo xtask nfs down {folder}",
        port = place.port(),
        config = place.config().display(),
        bus = place.bus(),
        log = place.log().display(),
        spec = spec.display(),
    );
}
