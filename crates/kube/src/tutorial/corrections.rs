//! What is corrected in the tutorial's objects, and why.

/// One correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Kind and name of the object, and where in it (JSON pointers, RFC 6901); what lies below counts too. A pointer into an
    /// object the tutorial does not have is empty.
    pub places: &'static [(&'static str, &'static str)],
    /// What the tutorial has.
    pub tutorial: &'static str,
    /// What stands there now.
    pub ours: &'static str,
    /// Why.
    pub reason: &'static str,
}

const SET: &str = "StatefulSet redis-app";
const VOLUME: &str = "PersistentVolume nfs-pv2";
const SERVICE: &str = "Service redis-service";

/// Every difference between the tutorial's objects and ours, in the order of its steps.
pub const CORRECTIONS: [Correction; 25] = [
    Correction {
        places: &[(VOLUME, "/metadata/name")],
        tutorial: "`nfs-vp2`",
        ours: "`nfs-pv2`",
        reason: "a slip of the pen",
    },
    Correction {
        places: &[(VOLUME, "/spec/claimRef")],
        tutorial: "any claim gets any volume",
        ours: "`claimRef`: volume *n* is for the claim of ordinal *n* - 1",
        reason: "a node that comes back must find its own data; a stranger's claim must not",
    },
    Correction {
        places: &[
            (VOLUME, "/spec/storageClassName"),
            (SET, "/spec/volumeClaimTemplates/0/spec/storageClassName"),
        ],
        tutorial: "no `storageClassName`",
        ours: "`storageClassName: \"\"`",
        reason: "where there is a default class, it makes new volumes and the NFS ones stay unused",
    },
    Correction {
        places: &[(VOLUME, "/spec/persistentVolumeReclaimPolicy")],
        tutorial: "no reclaim policy",
        ours: "`Retain`",
        reason: "said, so that nobody has to know the default; the data outlives its claim",
    },
    Correction {
        places: &[(VOLUME, "/spec/mountOptions")],
        tutorial: "no mount options",
        ours: "`nfsvers=4.1`, `hard`, `noatime`",
        reason: "locks that end with a lease, and a server that is away stalls writes instead of failing them",
    },
    Correction {
        places: &[("ConfigMap redis-conf", "/data/redis.conf")],
        tutorial: "six directives",
        ours: "the same six, `maxmemory` from the container's limit, the delay of diskless copies, and what the rest of this \
               table needs",
        reason: "without `maxmemory` the kernel kills a node that is full; the delay is shortened while the cluster is formed, \
                 and restored",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/volumes/2/emptyDir"),
            ("ConfigMap redis-scripts", "/data/start.sh"),
        ],
        tutorial: "the server runs with the ConfigMap's file",
        ours: "with a copy that can be written, made at each start",
        reason: "`CONFIG REWRITE` fails on a ConfigMap",
    },
    Correction {
        places: &[(SERVICE, "/spec/ports/1")],
        tutorial: "port 6379 alone",
        ours: "6379 and the bus port, 16379",
        reason: "what goes by the ports of Services, such as a mesh, stops the bus otherwise",
    },
    Correction {
        places: &[(SERVICE, "/spec/publishNotReadyAddresses")],
        tutorial: "only ready pods have a name",
        ours: "`publishNotReadyAddresses: true`",
        reason: "nodes find each other before the first is ready, or none ever is",
    },
    Correction {
        places: &[("Service redis-client", "")],
        tutorial: "the headless Service is all there is",
        ours: "a Service for clients, within the cluster, of nodes that are ready",
        reason: "a client must not begin at a node that still loads",
    },
    Correction {
        places: &[(SET, "/apiVersion"), (SET, "/spec/selector")],
        tutorial: "`apps/v1beta1`, no selector",
        ours: "`apps/v1` with one",
        reason: "gone since 1.16; `apps/v1` demands a selector",
    },
    Correction {
        places: &[(SET, "/spec/podManagementPolicy")],
        tutorial: "one pod after the other",
        ours: "`Parallel`",
        reason: "no node is ready before the cluster is formed, so the second would never start",
    },
    Correction {
        places: &[(SET, "/spec/updateStrategy")],
        tutorial: "no update strategy (`RollingUpdate`)",
        ours: "`OnDelete`",
        reason: "Kubernetes does not know who is primary; nodes are replaced in an order that someone planned",
    },
    Correction {
        places: &[(SET, "/spec/template/spec/containers/0/image")],
        tutorial: "`redis`",
        ours: "an image with a tag or a digest; `latest` is refused",
        reason: "which server runs would depend on the day a machine pulled it",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/containers/0/command"),
            (SET, "/spec/template/spec/containers/0/args"),
        ],
        tutorial: "`redis-server` with `--protected-mode no`",
        ours: "`start.sh`: checks whose data the volume holds, writes the configuration, and becomes the server",
        reason: "a volume of another deployment would bring its `nodes.conf` along",
    },
    Correction {
        places: &[(SET, "/spec/template/spec/containers/0/env")],
        tutorial: "no address announced",
        ours: "address, DNS name and ports announced at each start",
        reason: "a pod that comes back has another address, and the others keep the old one",
    },
    Correction {
        places: &[(SET, "/spec/template/spec/volumes/3/projected"), ("NetworkPolicy redis-app", "")],
        tutorial: "no password, and every port open to every pod",
        ours: "a password from a Secret; clients on 6379, the nodes alone on the bus",
        reason: "whoever reached a pod could read and delete everything, or join the cluster",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/securityContext"),
            (SET, "/spec/template/spec/containers/0/securityContext"),
        ],
        tutorial: "runs as root",
        ours: "uid and gid 999, no capabilities, no privilege to gain, seccomp, read-only root file system",
        reason: "the `restricted` standard; and on a root-squashing export root cannot write at all",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/automountServiceAccountToken"),
            ("ServiceAccount redis-app", ""),
        ],
        tutorial: "the namespace's default account, with its token",
        ours: "an account of its own, without a token",
        reason: "a server speaks to no API",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/containers/0/startupProbe"),
            (SET, "/spec/template/spec/containers/0/readinessProbe"),
            (SET, "/spec/template/spec/containers/0/livenessProbe"),
        ],
        tutorial: "no probes",
        ours: "startup (loaded?), readiness (served here?), liveness (does it answer?)",
        reason: "clients would meet nodes that load or are out of step; one that hangs would stay",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/terminationGracePeriodSeconds"),
            (SET, "/spec/template/spec/containers/0/lifecycle"),
        ],
        tutorial: "20 s, no hand-over",
        ours: "60 s; a primary hands its slots to a replica before it stops",
        reason: "each planned stop of a primary would cost its shard a failover, and the last writes",
    },
    Correction {
        places: &[(SET, "/spec/template/spec/containers/0/resources/limits")],
        tutorial: "no limits",
        ours: "a limit of memory",
        reason: "one full node would take its machine along",
    },
    Correction {
        places: &[
            (SET, "/spec/template/spec/affinity"),
            (SET, "/spec/template/spec/topologySpreadConstraints"),
        ],
        tutorial: "rather not on one machine with anything of `app: redis`",
        ours: "the same for this deployment's nodes, and evenly spread over machines and zones",
        reason: "the planner takes a shard's copies from different domains, which it can if nodes are in all of them",
    },
    Correction {
        places: &[(SET, "/spec/volumeClaimTemplates/0/spec/resources/requests/storage")],
        tutorial: "claims of 200M on volumes of 20Gi",
        ours: "claims of 20Gi",
        reason: "a claim says what is needed; 200M is less than one rewrite of the log takes",
    },
    Correction {
        places: &[("PodDisruptionBudget redis-app", "")],
        tutorial: "no budget",
        ours: "one node at a time",
        reason: "a drain of two machines would take both copies of a shard",
    },
];

/// The corrections as a table in Markdown: `TUTORIAL.md` of this crate.
pub fn table() -> String {
    let mut text = "| the tutorial | here | why |\n|---|---|---|\n".to_owned();
    for Correction { tutorial, ours, reason, .. } in &CORRECTIONS {
        text.push_str(&format!("| {tutorial} | {ours} | {reason} |\n"));
    }
    text
}
