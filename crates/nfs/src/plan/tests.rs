//! What is planned, and what is refused, from observations made by hand.

use slotwright_machine::Owner;

use super::*;
use crate::{
    Policy,
    exports::ThisMachine,
    server::{Configuration, Configured, Kernel, KernelFiles, User},
};

const OWNER: Owner = Owner { uid: 999, gid: 999, mode: 0o700 };

fn wanted(count: usize) -> Wanted {
    Wanted {
        deployment: "demo".into(),
        base: "/data".into(),
        prefix: "pv".into(),
        count,
        clients: vec!["10.0.0.0/16".parse().unwrap()],
        policy: Policy::Safe,
        owner: OWNER,
        mount_point: None,
    }
}

fn server() -> Server {
    Server::Kernel(Kernel::new(KernelFiles::default(), "demo"))
}

/// Nothing is there.
fn nothing(count: usize) -> Observation {
    Observation {
        directories: vec![Directory::Missing; count],
        ids: None,
        configuration: Configuration::default(),
        served: Some(Vec::new()),
        machine: ThisMachine::default(),
        users: Vec::new(),
    }
}

/// Everything is as `wanted` asks for.
fn settled(wanted: &Wanted) -> Observation {
    let mut seen = nothing(wanted.count);
    let target = target(wanted, &seen).unwrap();
    let file = server().config_file().to_path_buf();
    seen.configuration.files.insert(file, server().render(&target.exports).unwrap().into_bytes());
    for export in &target.exports {
        seen.configuration.ours.push(Configured {
            path: export.path.clone(),
            id: Some(export.id),
            grants: export.grants.clone(),
            place: "ours:1:1".into(),
        });
        seen.served.get_or_insert_default().push(Served {
            path: export.path.clone(),
            id: Some(export.id),
            grants: Some(export.grants.clone()),
        });
    }
    seen.directories = vec![Directory::There { owner: OWNER, empty: false }; wanted.count];
    seen.ids = Some(target.ids);
    seen
}

fn used(seen: &mut Observation, path: &str) {
    let user = User { client: "10.0.0.7".into(), evidence: "holds a file open".into() };
    seen.users.push((path.into(), vec![user]));
}

fn plan_for(wanted: &Wanted, seen: &Observation, consent: &Consent) -> Plan {
    plan(wanted, &server(), seen, target(wanted, seen).unwrap(), consent).unwrap()
}

#[test]
fn what_is_as_wanted_needs_nothing() {
    let wanted = wanted(3);
    let plan = plan_for(&wanted, &settled(&wanted), &Consent::default());
    assert!(plan.is_empty() && plan.refusals.is_empty(), "{plan}");
}

#[test]
fn directories_and_ids_come_before_the_file_and_the_server() {
    let plan = plan_for(&wanted(2), &nothing(2), &Consent::default());
    let kinds: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| match step {
            Step::MakeDirectory { .. } => "directory",
            Step::SetOwner { .. } => "owner",
            Step::WriteIds { .. } => "ids",
            Step::Write(_) => "file",
            Step::Serve { .. } => "serve",
            Step::Withdraw { .. } => "withdraw",
        })
        .collect();
    assert_eq!(kinds, ["directory", "directory", "ids", "file", "serve", "serve"]);
}

#[test]
fn an_export_in_use_is_taken_away_only_by_name() {
    let mut seen = settled(&wanted(3));
    let fewer = wanted(2);
    seen.directories.truncate(2);
    let target_paths = at_risk(&fewer, &server(), &seen, &target(&fewer, &seen).unwrap());
    assert_eq!(target_paths, [PathBuf::from("/data/pv3")]);
    used(&mut seen, "/data/pv3");
    let refused = plan_for(&fewer, &seen, &Consent::default());
    assert_eq!(refused.refusals.len(), 1);
    assert!(
        refused.refusals[0].why.contains("10.0.0.7")
            && refused.refusals[0].instead.contains("--even-if-used pv3")
    );
    let consent = Consent { even_if_used: ["pv3".to_owned()].into(), ..Consent::default() };
    assert!(plan_for(&fewer, &seen, &consent).refusals.is_empty());
}

#[test]
fn another_id_makes_handles_stale_and_is_refused_while_used() {
    let wanted = wanted(1);
    let mut seen = settled(&wanted);
    for served in seen.served.iter_mut().flatten() {
        served.id = Some(77);
    }
    used(&mut seen, "/data/pv1");
    let plan = plan_for(&wanted, &seen, &Consent::default());
    assert!(plan.refusals[0].why.contains("another id"), "{:?}", plan.refusals);
}

#[test]
fn rights_in_use_are_widened_freely_and_narrowed_by_name() {
    let before = wanted(1);
    let mut seen = settled(&before);
    used(&mut seen, "/data/pv1");
    let clients = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let more = Wanted { clients: clients(&["10.0.0.0/16", "10.1.0.0/16"]), ..before.clone() };
    let plan = plan_for(&more, &seen, &Consent::default());
    assert!(!plan.is_empty() && plan.refusals.is_empty(), "{:?}", plan.refusals);
    let others = Wanted { clients: clients(&["10.1.0.0/16"]), ..before.clone() };
    let read_only = Wanted { policy: Policy::Custom(Box::new("ro".parse().unwrap())), ..before };
    for narrowed in [others, read_only] {
        let risk = at_risk(&narrowed, &server(), &seen, &target(&narrowed, &seen).unwrap());
        assert_eq!(risk, [PathBuf::from("/data/pv1")]);
        let plan = plan_for(&narrowed, &seen, &Consent::default());
        assert!(plan.refusals[0].why.contains("changing what its clients were granted"));
        let consent = Consent { even_if_used: ["pv1".to_owned()].into(), ..Consent::default() };
        assert!(plan_for(&narrowed, &seen, &consent).refusals.is_empty());
    }
}

#[test]
fn ids_of_others_are_not_taken_and_lost_ones_are_found_again() {
    let wanted = wanted(2);
    let mut seen = nothing(2);
    let foreign = |path: &str, id| Served { path: path.into(), id: Some(id), grants: None };
    seen.served = Some(vec![foreign("/srv", 1), foreign("/data/pv2", 9)]);
    seen.configuration.foreign.push(Configured {
        path: "/home".into(),
        id: Some(2),
        grants: Vec::new(),
        place: "/etc/exports:1:1".into(),
    });
    let target = target(&wanted, &seen).unwrap();
    let ids: Vec<u16> = target.exports.iter().map(|export| export.id).collect();
    assert_eq!(ids, [3, 9]);
}

#[test]
fn what_others_serve_is_never_touched() {
    let wanted = wanted(1);
    let mut seen = settled(&wanted);
    let others = ["/srv", "/data", "/data/pv1/below", "/data/other"];
    let foreign = others.map(|path| Served { path: path.into(), id: Some(50), grants: None });
    seen.served.get_or_insert_default().extend(foreign);
    assert!(plan_for(&wanted, &seen, &Consent::default()).is_empty());
    assert_eq!(withdrawn(&removal(&wanted, &seen, &[])), [Path::new("/data/pv1")]);
}

#[test]
fn an_id_that_somebody_else_has_by_now_is_not_served() {
    let wanted = wanted(2);
    let mut seen = settled(&wanted);
    seen.configuration.ours.clear();
    seen.configuration.foreign.push(Configured {
        path: "/other/pv1".into(),
        id: Some(2),
        grants: Vec::new(),
        place: "/etc/exports.d/other.exports:3:1".into(),
    });
    let refused = plan_for(&wanted, &seen, &Consent::default()).refusals;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].subject == "pv2" && refused[0].why.contains("other.exports:3:1"), "{refused:?}");
    // The same when only the server has it.
    let mut seen = settled(&wanted);
    let other = Served { path: "/other/pv1".into(), id: Some(1), grants: None };
    seen.served.get_or_insert_default().push(other);
    assert_eq!(plan_for(&wanted, &seen, &Consent::default()).refusals[0].subject, "pv1");
}

fn withdrawn(plan: &Plan) -> Vec<&Path> {
    let mut paths = Vec::new();
    for step in &plan.steps {
        if let Step::Withdraw { served } = step {
            paths.push(&*served.path);
        }
    }
    paths
}

fn removal(wanted: &Wanted, seen: &Observation, names: &[&str]) -> Plan {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let target = target_without(wanted, seen, &names).unwrap();
    plan(wanted, &server(), seen, target, &Consent::default()).unwrap()
}

#[test]
fn only_what_was_made_for_the_deployment_is_taken_away() {
    // Somebody else's exports at the very paths that the spec would use.
    let wanted = wanted(2);
    let mut seen = nothing(2);
    let path = PathBuf::from("/data/pv1");
    seen.served = Some(vec![Served { path: path.clone(), id: None, grants: None }]);
    seen.configuration.foreign.push(Configured {
        path,
        id: None,
        grants: Vec::new(),
        place: "/etc/exports:1:1".into(),
    });
    assert!(removal(&wanted, &seen, &[]).is_empty());
    // Made for it once, and somebody else's as well by now.
    let mut both = settled(&wanted);
    both.configuration.foreign = seen.configuration.foreign;
    let refused = removal(&wanted, &both, &["pv1"]).refusals;
    assert!(refused[0].why.contains("/etc/exports:1:1"), "{refused:?}");
}

#[test]
fn a_removal_by_name_leaves_the_others_as_they_are() {
    // The spec has two by now, and others to be granted something; the server has three.
    let seen = settled(&wanted(3));
    let now = Wanted { clients: vec!["10.9.0.0/16".parse().unwrap()], ..wanted(2) };
    for name in ["pv2", "pv3"] {
        let plan = removal(&now, &seen, &[name]);
        assert_eq!(withdrawn(&plan), [Path::new("/data").join(name)]);
        assert!(plan.steps.iter().all(|step| !matches!(step, Step::Serve { .. })));
        let left = target_without(&now, &seen, &[name.to_owned()].into()).unwrap().exports;
        assert_eq!(left.len(), 2);
        assert!(left.iter().all(|export| export.grants[0].client == "10.0.0.0/16".parse().unwrap()));
    }
    let unknown = target_without(&now, &seen, &["pv9".to_owned()].into()).unwrap_err().to_string();
    assert!(unknown.contains("pv9") && unknown.contains("pv1, pv2, pv3"), "{unknown}");
    // Our file is gone: what is not named is served on.
    let mut lost = settled(&wanted(3));
    lost.configuration.ours.clear();
    assert_eq!(withdrawn(&removal(&wanted(3), &lost, &["pv2"])), [Path::new("/data/pv2")]);
}

#[test]
fn another_owner_under_a_client_is_refused() {
    let wanted = wanted(1);
    let mut seen = settled(&wanted);
    let wide = Owner { mode: 0o777, ..OWNER };
    seen.directories = vec![Directory::There { owner: wide, empty: false }];
    assert!(plan_for(&wanted, &seen, &Consent::default()).refusals.is_empty());
    assert_eq!(
        at_risk(&wanted, &server(), &seen, &target(&wanted, &seen).unwrap()),
        [PathBuf::from("/data/pv1")]
    );
    used(&mut seen, "/data/pv1");
    let refused = plan_for(&wanted, &seen, &Consent::default()).refusals;
    assert!(refused[0].why.contains("another owner or mode"), "{refused:?}");
}

#[test]
fn without_its_disk_nothing_is_exported() {
    let wanted = Wanted { mount_point: Some("/data".into()), ..wanted(1) };
    let seen = nothing(1);
    let error = plan(&wanted, &server(), &seen, target(&wanted, &seen).unwrap(), &Consent::default());
    assert!(error.unwrap_err().to_string().contains("nothing is mounted at /data"));
}
