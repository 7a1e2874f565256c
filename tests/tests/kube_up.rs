//! `cargo xtask kube`: a genuine Kubernetes comes up, is of use, and goes without a trace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use slotwright_tests::{
    kube::{IMAGE, Kubernetes, fail, output, succeed},
    wait::until_blocking,
};

/// A server as the strictest of the pod security standards wants it, and a service in front of it.
fn manifest() -> String {
    format!(
        "\
apiVersion: v1
kind: Namespace
metadata: {{name: life}}
---
apiVersion: v1
kind: Pod
metadata: {{name: redis, namespace: life, labels: {{app: redis}}}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {{runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: redis
    image: {IMAGE}
    args: [--protected-mode, 'no']
    workingDir: /data
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
    readinessProbe: {{exec: {{command: [sh, -c, 'redis-cli ping | grep -q PONG']}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: redis, namespace: life}}
spec: {{selector: {{app: redis}}, ports: [{{port: 6379, protocol: TCP}}]}}
"
    )
}

fn ping(address: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_cluster_comes_up_runs_redis_and_goes() {
    let machine = machine();
    let kubernetes = Kubernetes::start();
    assert!(!kubernetes.left().is_empty(), "the look for what is left sees nothing of what is there");

    let again = succeed(&mut kubernetes.up());
    assert!(again.contains("already up: Kubernetes v1.20.2"), "{again}");
    let export = format!("export KUBECONFIG={}\n", kubernetes.kubeconfig().display());
    assert!(again.contains(&export), "{again}");

    kubernetes.apply(&manifest());
    succeed(&mut kubernetes.kubectl([
        "-n",
        "life",
        "wait",
        "pod/redis",
        "--for=condition=Ready",
        "--timeout=60s",
    ]));
    let field = |path: &str| {
        let path = format!("jsonpath={{{path}}}");
        output(&mut kubernetes.kubectl(["-n", "life", "get", "pod", "redis", "-o", &path]))
    };
    assert_eq!(field(".status.phase"), "Running");

    // By the pod's address, by the service's name, and through the API server.
    assert_eq!(ping(&format!("{}:6379", field(".status.podIP"))).unwrap(), "+PONG\r\n");
    let named = ["exec", "getent", "hosts", "redis.life.svc.cluster.local"];
    let service = until_blocking("the service has a name", || {
        let asked = kubernetes.xtask(named).output().unwrap();
        let line = String::from_utf8_lossy(&asked.stdout).into_owned();
        line.split_whitespace().next().map(str::to_owned).ok_or(line)
    });
    until_blocking("the service has a way to its pod", || ping(&format!("{service}:6379")));
    forwarded(&kubernetes);

    let status = succeed(&mut kubernetes.xtask(["status"]));
    for word in ["etcd", "kube-apiserver", "kubelet", "containerd", "Ready", IMAGE, &export] {
        assert!(status.contains(word), "{word}: {status}");
    }
    another_image(&kubernetes);
    in_place_of_ours(&kubernetes);
    after_a_crash(&kubernetes);

    kubernetes.down();
    assert_eq!(self::machine(), machine);
    let nothing = kubernetes.down();
    assert!(nothing.contains("no cluster is up"), "{nothing}");
    let status = fail(&mut kubernetes.xtask(["status"]));
    assert!(status.contains("run: cargo xtask kube up"), "{status}");
}

/// What a node changes of a machine that does not keep it apart: folders of its programs, and settings of the kernel.
fn machine() -> Vec<(&'static str, Option<String>)> {
    let folders = ["/opt/containerd", "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods"];
    let more = ["/usr/libexec/kubernetes", "/tmp/hostpath_pv", "/var/run/kubernetes"];
    let folders =
        folders.into_iter().chain(more).map(|path| (path, fs::metadata(path).ok().map(|_| String::new())));
    let settings =
        ["/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops"];
    folders.chain(settings.map(|path| (path, fs::read_to_string(path).ok()))).collect()
}

fn forwarded(kubernetes: &Kubernetes) {
    let mut forward = kubernetes.kubectl(["-n", "life", "port-forward", "pod/redis", ":6379"]);
    let mut forward = forward.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    // Open to the end: it goes on talking, and would end if nobody listened.
    let mut said = BufReader::new(forward.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let answer = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).map(ping);
    kill_process_group(Pid::from_child(&forward), Signal::KILL).unwrap();
    forward.wait().unwrap();
    assert_eq!(answer.expect(&line).unwrap(), "+PONG\r\n");
}

fn another_image(kubernetes: &Kubernetes) {
    succeed(&mut kubernetes.xtask(["image", "test/true:1", "/bin/true:/usr/bin/verity"]));
    let status = succeed(&mut kubernetes.xtask(["status"]));
    assert!(status.contains("docker.io/test/true:1"), "{status}");
    let untagged = fail(&mut kubernetes.xtask(["image", "test/true"]));
    assert!(untagged.contains("needs a tag"), "{untagged}");
}

/// Whoever has a cluster keeps it: nothing is started beside it.
fn in_place_of_ours(kubernetes: &Kubernetes) {
    let kubectl = output(&mut kubernetes.xtask(["exec", "sh", "-c", "command -v kubectl"]));
    let path = format!("{}:{}", kubectl.trim().trim_end_matches("/kubectl"), std::env::var("PATH").unwrap());
    let other = Kubernetes::not_started();
    let theirs = other.state().with_file_name("config");
    fs::copy(kubernetes.kubeconfig(), &theirs).unwrap();
    let with = |verb: &'static str, config: &std::path::Path| {
        let mut command: Command = other.xtask([verb]);
        command.env("KUBECONFIG", config).env("PATH", &path);
        command
    };
    for verb in ["up", "status"] {
        let said = succeed(&mut with(verb, &theirs));
        assert!(said.contains("it is used, and none is started here") && said.contains("v1.20.2"), "{said}");
    }
    let said = succeed(&mut with("down", &theirs));
    assert!(said.contains("left alone"), "{said}");
    let said = fail(with("image", &theirs).args(["a:1", "/bin/true"]));
    assert!(said.contains("unset KUBECONFIG"), "{said}");
    let said = fail(&mut with("up", &other.state().with_file_name("none")));
    assert!(said.contains("does not answer") && said.contains("unset KUBECONFIG"), "{said}");
    assert_eq!(other.left(), Vec::<String>::new());
}

/// A process that ended is started again, and what the cluster knows is kept.
fn after_a_crash(kubernetes: &Kubernetes) {
    let pid = fs::read_to_string(kubernetes.state().join("pid/kube-scheduler")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process_group(pid, Signal::KILL).unwrap();
    until_blocking("the scheduler has ended", || {
        let status = kubernetes.xtask(["status"]).output().unwrap();
        let said = String::from_utf8_lossy(&status.stderr).into_owned();
        if said.contains("not running: kube-scheduler") { Ok(()) } else { Err(said) }
    });
    let said = succeed(&mut kubernetes.up());
    assert!(said.contains("now up"), "{said}");
    succeed(&mut kubernetes.kubectl(["-n", "life", "get", "pod", "redis"]));
}

#[test]
fn a_killed_up_leaves_nothing_that_down_or_another_up_does_not_remove() {
    let kubernetes = Kubernetes::not_started();
    for file in ["pid/node", "network", "pki/ca.key", "containerd.sock", "pid/kubelet"] {
        kill_up_at(&kubernetes, file);
        kubernetes.down();
    }
    kill_up_at(&kubernetes, "addresses");
    let said = succeed(&mut kubernetes.up());
    assert!(said.contains("now up"), "{said}");
    kubernetes.down();
}

/// Starts a cluster, and kills everything that works at it as soon as a file of it is there.
fn kill_up_at(kubernetes: &Kubernetes, file: &str) {
    let mut up = kubernetes.up();
    let mut up = up.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_blocking(file, || kubernetes.state().join(file).exists().then_some(()).ok_or(()));
    kill_process_group(Pid::from_child(&up), Signal::KILL).unwrap();
    up.wait().unwrap();
}

#[test]
fn a_cluster_ends_with_the_process_that_wanted_it() {
    let kubernetes = Kubernetes::not_started();
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    succeed(&mut kubernetes.xtask(["up", "--owner", &owner.id().to_string()]));
    owner.kill().unwrap();
    owner.wait().unwrap();
    until_blocking("the cluster has ended", || match kubernetes.left() {
        left if left.is_empty() => Ok(()),
        left => Err(left),
    });
}

#[test]
fn a_folder_with_other_things_in_it_is_not_ours() {
    let kubernetes = Kubernetes::not_started();
    fs::create_dir(kubernetes.state()).unwrap();
    let file = kubernetes.state().join("precious");
    fs::write(&file, "").unwrap();
    let said = fail(&mut kubernetes.up());
    assert!(said.contains("has other things in it") && said.contains("SLOTWRIGHT_KUBE_STATE"), "{said}");
    let said = succeed(&mut kubernetes.xtask(["down"]));
    assert!(said.contains("no cluster is up"), "{said}");
    assert!(file.exists());
}
