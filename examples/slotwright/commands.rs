//! What each command does: calls the library, shows the result.

use std::{
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use serde_json::json;
use slotwright_client::Credentials;
use slotwright_deploy::{
    ClusterSpec, Deployment, Effects, Error, Fleet, PasswordSource, UpOptions, discover,
};
use slotwright_slots::{hash_tag, key_slot};
use slotwright_topology::{ClusterStatus, Severity, draw_svg};

use crate::{
    cli::{Cli, Command, Consent, Login, SpecFile, Target},
    exit::Exit,
    exports, manifests,
    progress::Progress,
    render,
    screen::Screen,
    tls,
};

/// Runs the command and shows its result, or its error.
pub(crate) async fn run(cli: Cli, screen: &Screen) -> Exit {
    let result = match cli.command {
        Command::Up { spec, consent } => up(&spec, consent, screen).await,
        Command::Plan { spec, consent } => plan(&spec, consent, screen).await,
        Command::Status { target, svg } => status(&target, svg.as_deref(), screen).await,
        Command::Check { target } => check(&target, screen).await,
        Command::Down { spec, keep_data, delete_data } => down(&spec, keep_data, delete_data, screen).await,
        Command::Exports(exports) => exports::run(exports, screen).await,
        Command::Render(options) => manifests::render(&options, screen),
        Command::Slot { keys } => {
            slot(&keys, screen);
            Ok(Exit::Done)
        }
        Command::Schema => {
            screen.document(&ClusterSpec::json_schema());
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "slotwright", &mut io::stdout());
            Ok(Exit::Done)
        }
    };
    result.unwrap_or_else(|error| {
        let exit = Exit::from(&error);
        if screen.json {
            screen.document(&json!({ "result": exit.word(), "error": error.to_string() }));
        }
        screen.error(&error.to_string());
        exit
    })
}

async fn deployment(spec: &SpecFile, screen: &Screen) -> Result<(ClusterSpec, Deployment), Error> {
    let spec = ClusterSpec::load(&spec.path)?;
    let deployment = Deployment::new(spec.clone(), Effects::default()).await?;
    if !screen.json {
        for advice in deployment.advice() {
            screen.warning(&advice);
        }
    }
    Ok((spec, deployment))
}

fn options(consent: Consent) -> UpOptions {
    UpOptions {
        adopt: consent.adopt,
        take_over: consent.take_over,
        patience: Duration::from_secs(consent.patience),
        ..UpOptions::default()
    }
}

async fn up(spec: &SpecFile, consent: Consent, screen: &Screen) -> Result<Exit, Error> {
    let started = Instant::now();
    let (spec, deployment) = deployment(spec, screen).await?;
    let progress = Progress::new(*screen);
    let result = deployment.up(&options(consent), &progress).await;
    progress.finish();
    let up = result?;
    let status = ClusterStatus::new(spec.name.clone(), &up.convergence.view, Some(&deployment.desired()));
    if screen.json {
        screen.document(&json!({
            "result": "done",
            "changed": !up.unchanged(),
            "objects": up.objects,
            "started": up.started,
            "changes": up.convergence.changes,
            "phases": up.phases,
            "notes": up.notes,
            "status": status,
        }));
        return Ok(Exit::Done);
    }
    for note in &up.notes {
        screen.note(note);
    }
    let nodes = spec.node_count();
    if up.unchanged() {
        screen.print(&format!("{}: nothing to do, all {nodes} nodes are as the spec says.", spec.name));
    } else {
        let objects = match up.objects {
            0 => String::new(),
            objects => format!("{} applied, ", count(objects, "object")),
        };
        screen.print(&format!(
            "{}: up after {:.1} s. {objects}{} started, {} made. Try: {}",
            spec.name,
            started.elapsed().as_secs_f64(),
            count(up.started, if spec.kubernetes.is_some() { "pod" } else { "server" }),
            count(up.convergence.changes, "change"),
            deployment.how_to_connect(),
        ));
    }
    if !status.findings.is_empty() {
        screen.print(&render::findings(&status.findings, screen.style()));
    }
    Ok(Exit::Done)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

async fn plan(spec: &SpecFile, consent: Consent, screen: &Screen) -> Result<Exit, Error> {
    let (spec, deployment) = deployment(spec, screen).await?;
    let outlook = deployment.plan(&options(consent)).await?;
    if screen.json {
        screen.document(&outlook);
        return Ok(Exit::Done);
    }
    for object in &outlook.objects {
        screen.print(object);
    }
    if !outlook.start.is_empty() {
        let what = if outlook.creation {
            format!(
                "then form a new cluster of {} shards with {} replicas each",
                spec.shards, spec.replicas_per_shard
            )
        } else {
            "then see what they say; the rest of the plan depends on it".to_owned()
        };
        screen.print(&format!("`up` would start {}, {what}.", outlook.start.join(", ")));
    }
    if let Some(plan) = &outlook.plan {
        screen.print(&plan.to_string());
    }
    Ok(Exit::Done)
}

async fn status(target: &Target, svg: Option<&Path>, screen: &Screen) -> Result<Exit, Error> {
    let status = look(target, screen).await?;
    if let Some(path) = svg {
        std::fs::write(path, draw_svg(&status)).map_err(|source| Error::Folder {
            action: "write",
            path: path.to_path_buf(),
            remedy: "name another file with --svg",
            source,
        })?;
    }
    if screen.json {
        screen.document(&status);
    } else {
        screen.print(&render::status(&status, screen.style()));
    }
    if let (Some(path), false) = (svg, screen.json) {
        screen.note(&format!("drawn to {}", path.display()));
    }
    Ok(Exit::Done)
}

async fn check(target: &Target, screen: &Screen) -> Result<Exit, Error> {
    let status = look(target, screen).await?;
    let found = status.findings.iter().any(|finding| finding.severity >= Severity::Warning);
    if screen.json {
        screen.document(
            &json!({ "name": status.name, "healthy": status.healthy, "findings": status.findings }),
        );
    } else if status.findings.is_empty() {
        let nodes: usize = status.shards.iter().map(|shard| 1 + shard.replicas.len()).sum();
        screen.print(&format!(
            "{}: healthy. {} shards, {nodes} nodes, all 16384 slots covered, every node agrees.",
            status.name,
            status.shards.len()
        ));
    } else {
        screen.print(&render::findings(&status.findings, screen.style()));
    }
    Ok(if found { Exit::Found } else { Exit::Done })
}

/// The status of the cluster a command is about.
async fn look(target: &Target, screen: &Screen) -> Result<ClusterStatus, Error> {
    let Some(seed) = &target.seed else {
        return deployment(&target.spec, screen).await?.1.status().await;
    };
    let credentials = credentials(&target.login)?;
    let effects = tls::effects(&target.login)?;
    let members = discover(seed, &effects, credentials.clone()).await?;
    let view = Fleet::new(members, effects, credentials, []).observe().await;
    Ok(ClusterStatus::new(seed.to_string(), &view, None))
}

fn credentials(login: &Login) -> Result<Option<Credentials>, Error> {
    let source = match (&login.password_env, &login.password_file) {
        (Some(name), _) => PasswordSource::Env(name.clone()),
        (None, Some(path)) => PasswordSource::File(path.clone()),
        (None, None) => return Ok(None),
    };
    let password = source.read(Path::new(""))?;
    Ok(Some(match &login.user {
        Some(user) => Credentials::user(user, password),
        None => Credentials::password(password),
    }))
}

async fn down(spec: &SpecFile, keep: bool, delete: bool, screen: &Screen) -> Result<Exit, Error> {
    let spec = ClusterSpec::load(&spec.path)?;
    let name = spec.name.clone();
    let what = if spec.kubernetes.is_some() { "pod" } else { "server" };
    let deployment = Deployment::without_login(spec, Effects::default()).await?;
    let delete = match deployment.data().await? {
        Some(data) if !keep && !delete => {
            screen.ask(&format!("Delete the data of {name} in {data} for good?")).unwrap_or(false)
        }
        _ => delete,
    };
    let progress = Progress::new(*screen);
    let result = deployment.down(delete, &progress).await;
    progress.finish();
    let down = result?;
    if screen.json {
        screen.document(
            &json!({ "result": "done", "stopped": down.stopped, "deleted": delete, "data": down.kept }),
        );
        return Ok(Exit::Done);
    }
    let servers = match down.stopped {
        0 => format!("no {what} was running"),
        stopped => format!("{} stopped", count(stopped, what)),
    };
    let data = match (delete, down.kept.as_str()) {
        (true, "") => ", the data is deleted".to_owned(),
        (_, "") => String::new(),
        (_, kept) => format!(", {kept}"),
    };
    screen.print(&format!("{name}: {servers}{data}."));
    Ok(Exit::Done)
}

fn slot(keys: &[std::ffi::OsString], screen: &Screen) {
    if screen.json {
        let slots: Vec<_> = keys
            .iter()
            .map(|key| json!({ "key": key.to_string_lossy(), "slot": key_slot(key.as_bytes()).get() }))
            .collect();
        return screen.document(&slots);
    }
    for key in keys {
        let bytes = key.as_bytes();
        let tag = hash_tag(bytes);
        let hashed = match tag.len() == bytes.len() {
            true => String::new(),
            false => format!("  (hash tag {})", String::from_utf8_lossy(tag)),
        };
        screen.print(&format!("{:>5}  {}{hashed}", key_slot(bytes).get(), key.to_string_lossy()));
    }
}
