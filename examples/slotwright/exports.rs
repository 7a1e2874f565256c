//! What the `exports` commands do: call the library, show the result.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use slotwright_deploy::{
    ClusterSpec, Error,
    exports::{Exports, Rendering, Verified, VerifyOptions},
};
use slotwright_machine::Machine;
use slotwright_nfs::{Consent, Finding, Outcome, Plan, Severity};

use crate::{
    cli::{self, ExportsConsent, RenderFormat, SpecFile},
    exit::Exit,
    lint,
    render::exports as render,
    screen::Screen,
};

pub(crate) async fn run(command: cli::Exports, screen: &Screen) -> Result<Exit, Error> {
    match command {
        cli::Exports::Plan { spec, consent } => {
            let plan = open(&spec, screen)?.plan(&consent.into()).await?;
            Ok(show_plan(&plan, screen))
        }
        cli::Exports::Apply { spec, consent } => {
            let exports = open(&spec, screen)?;
            let outcome = exports.apply(&consent.into()).await?;
            let count = exports.place().wanted.count;
            show_outcome(
                &outcome,
                &format!("nothing to do, all {count} exports are as the spec says"),
                screen,
            );
            Ok(Exit::Done)
        }
        cli::Exports::Status { spec } => {
            let status = open(&spec, screen)?.status().await?;
            match screen.json {
                true => screen.document(&status),
                false => screen.print(&render::status(&status, screen.style())),
            }
            Ok(if status.is_as_wanted() { Exit::Done } else { Exit::Found })
        }
        cli::Exports::Verify { spec, names, appends, limit, mount_port } => {
            let options = VerifyOptions {
                names: names.into_iter().collect(),
                appends,
                limit: Duration::from_secs(limit),
                mount_port,
            };
            let verified = open(&spec, screen)?.verify(&options).await?;
            match screen.json {
                true => screen.document(&verified),
                false => screen.print(&render::verified(&verified, screen.style())),
            }
            let worst = verified.iter().flat_map(Verified::findings).map(|finding| finding.severity).max();
            Ok(if worst >= Some(Severity::Warning) { Exit::Found } else { Exit::Done })
        }
        cli::Exports::Render { spec, format } => {
            let rendering = match format {
                None => Rendering::AsInSpec,
                Some(RenderFormat::Exports) => Rendering::Exports,
                Some(RenderFormat::Ganesha) => Rendering::Ganesha,
            };
            let rendered = open(&spec, screen)?.render(rendering)?;
            match screen.json {
                true => screen.document(&rendered),
                false => screen.print(&rendered.text),
            }
            Ok(Exit::Done)
        }
        cli::Exports::Remove { spec, names, consent, dry_run } => {
            let names: BTreeSet<String> = names.into_iter().collect();
            let (exports, consent) = (open(&spec, screen)?, consent.into());
            if dry_run {
                return Ok(show_plan(&exports.plan_removal(&names, &consent).await?, screen));
            }
            let outcome = exports.remove(&names, &consent).await?;
            show_outcome(&outcome, "nothing to do, there is no such export", screen);
            Ok(Exit::Done)
        }
        cli::Exports::Lint { files, rewrite: false, .. } => lint::lint(&files, screen),
        cli::Exports::Lint { files, rewrite: true, clients, owner } => {
            lint::rewrite(&files, &clients, &owner, screen)
        }
    }
}

impl From<ExportsConsent> for Consent {
    fn from(consent: ExportsConsent) -> Self {
        Self {
            adopt: consent.adopt.into_iter().collect(),
            even_if_used: consent.even_if_used.into_iter().collect(),
            offline: consent.offline,
        }
    }
}

fn open(spec: &SpecFile, screen: &Screen) -> Result<Exports, Error> {
    let exports = Exports::new(&ClusterSpec::load(&spec.path)?, Machine::default())?;
    if !screen.json {
        for finding in exports.advice() {
            screen.warning(&format!("{}: {}; {}", finding.place, finding.what, finding.remedy));
        }
    }
    Ok(exports)
}

fn show_plan(plan: &Plan, screen: &Screen) -> Exit {
    if screen.json {
        screen.document(&json!({
            "changes": plan.lines(),
            "refusals": plan.refusals,
            "findings": plan.findings,
        }));
    } else {
        let text = match plan.is_empty() {
            true => "nothing to do, everything is as the spec says.\n".to_owned(),
            false => render::lines(&plan.lines(), screen.style()),
        };
        screen.print(&text);
        show_findings(&plan.findings, screen);
        for refusal in &plan.refusals {
            screen.error(&format!("refused: {refusal}"));
        }
    }
    if plan.refusals.is_empty() { Exit::Done } else { Exit::Refused }
}

fn show_outcome(outcome: &Outcome, nothing: &str, screen: &Screen) {
    if screen.json {
        let changed = !outcome.changes.is_empty();
        return screen.document(&json!({
            "result": "done",
            "changed": changed,
            "changes": outcome.changes,
            "findings": outcome.findings,
        }));
    }
    match outcome.changes.is_empty() {
        true => screen.print(&format!("{nothing}.")),
        false => screen.print(&render::lines(&outcome.changes, screen.style())),
    }
    show_findings(&outcome.findings, screen);
}

fn show_findings(findings: &[Finding], screen: &Screen) {
    if !findings.is_empty() {
        screen.print(&format!("\n{}", render::findings(findings, screen.style())));
    }
}
