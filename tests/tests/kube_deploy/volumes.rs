//! Volumes on an NFS server: each bound to the claim of its ordinal, as the spec and the exports say.
//!
//! Nothing is mounted here: the node has no NFS client. That pods would mount it is proven in virtual machines (`nfs_vm`).

use slotwright_tests::kube::Deployed;

use crate::{TURNS, kubernetes};

fn spec(deployed: &Deployed<'_>, lines: &str) -> String {
    let storage = "storage:\n  nfs:\n    server: render\n    address: 10.198.1.155\n    base-directory: /data/nfs/redis\n    \
                   clients: [10.198.0.0/16]\n";
    deployed.spec_text(lines) + storage
}

fn binds(namespace: &str, lines: &str, claim: impl Fn(usize) -> String) {
    let _turn = TURNS.take();
    let deployed = Deployed::new(kubernetes(), namespace, "");
    deployed.write_spec(&spec(&deployed, lines));
    // The pods cannot mount it, and say so.
    deployed.run(&["up", "--patience", "6"]).expect(1, &["Pod", "0 of 6 pods"]);
    let claims = deployed.get("persistentvolumeclaims");
    assert_eq!(claims.len(), 6);
    for ordinal in 0..6 {
        let name = claim(ordinal);
        let claim = claims.iter().find(|claim| claim["metadata"]["name"] == *name).unwrap();
        let volume = format!("{namespace}-test-pv{}", ordinal + 1);
        assert_eq!(claim["status"]["phase"], "Bound", "{}", deployed.state());
        assert_eq!(claim["spec"]["volumeName"], *volume);
        let volumes = deployed.get("persistentvolumes");
        let volume = volumes.iter().find(|found| found["metadata"]["name"] == *volume).unwrap();
        assert_eq!(volume["spec"]["nfs"]["path"], format!("/data/nfs/redis/pv{}", ordinal + 1));
        assert_eq!(volume["spec"]["nfs"]["server"], "10.198.1.155");
        let options = volume["spec"]["mountOptions"].to_string();
        assert!(options.contains("nfsvers=4.1") && options.contains("hard"), "{options}");
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    }
    let other = Deployed::new(kubernetes(), &format!("{namespace}-other"), "");
    other.write_spec(&spec(&other, lines));
    other.run(&["up", "--patience", "2"]).expect(1, &["0 of 6 pods"]);
    // The end of one is not that of the other, though both have one name.
    deployed.run(&["down", "--delete-data"]).shows(0, &["the files on the NFS server are kept"]);
    let left = other.get("persistentvolumes");
    let of = |namespace: &str| {
        left.iter().filter(|volume| volume["spec"]["claimRef"]["namespace"] == *namespace).count()
    };
    assert_eq!((of(&deployed.namespace), of(&other.namespace)), (0, 6));
    other.run(&["down", "--delete-data"]).shows(0, &[]);
}

#[test]
fn volumes_of_a_stateful_set_bind_ordinal_to_ordinal() {
    binds("nfs", "", |ordinal| format!("data-test-{ordinal}"));
}

#[test]
fn volumes_of_deployments_bind_ordinal_to_ordinal() {
    binds("nfs-each", "style: deployment\n", |ordinal| format!("test-{ordinal}-data"));
}
