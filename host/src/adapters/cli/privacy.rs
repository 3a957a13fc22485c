//! `privacy`: what is kept of one caller, for whom the law gives a right to it, or to its end.

mod copies;

use super::terminal::say;
use crate::adapters::audit::{self, Act, Recorded};
use crate::adapters::events::spool::{self, Filter, Past, ReadError};
use crate::adapters::pseudonyms::{Pseudonyms, digits};
use crate::adapters::recording::{self, Bucket, Part};
use crate::adapters::state::{Kept, Subjects};
use crate::config::Config;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use copies::Copies;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use uuid::Uuid;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;
use vg_domain::recording::DeletionReason;

/// Events that are read at once.
const BATCH: usize = 512;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy all that is kept here of one caller of a tenant to a folder
    Export {
        #[command(flatten)]
        whose: Whose,
        /// Where to: a folder that is not there yet
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Erase all that is kept here of one caller of a tenant, and say what is kept elsewhere. Without --yes: only say what it would be
    Erase {
        #[command(flatten)]
        whose: Whose,
        /// Erase it: nothing brings it back
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct Whose {
    /// The tenant that was called, or for whom the caller was called
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// The caller's number: finds calls by `caller_ref` (privacy.pseudonym_key), and in Redis by itself
    #[arg(long, value_name = "NUMBER", required_unless_present = "call")]
    caller: Option<String>,
    /// This call beside them; may be given again
    #[arg(long, value_name = "ID")]
    call: Vec<String>,
}

/// Everything that is here.
struct Found {
    tenant: TenantId,
    calls: BTreeSet<CallId>,
    events: usize,
    /// The same beside the database of events.
    copies: Copies,
    parts: Vec<Part>,
    /// Objects in the store of recordings, of whichever gateway.
    objects: Vec<String>,
    /// None where no store is configured.
    bucket: Option<Bucket>,
    states: Vec<Kept>,
    /// None where no Redis is configured.
    subjects: Option<Subjects>,
    /// What could not be looked at, and why.
    unseen: Vec<String>,
}

pub(super) async fn run(command: Command, config: &Config) -> Result<ExitCode> {
    match command {
        Command::Export { whose, out } => {
            let found = Found::look(config, whose).await?;
            found.say();
            let order = Order { act: "privacy export", config, found: &found, request: Uuid::now_v7().to_string() };
            order.carry_out(found.export(config, &out)).await?;
            say(format_args!("written to {}", out.display()));
            Ok(found.exit_code())
        }
        Command::Erase { whose, yes } => {
            let found = Found::look(config, whose).await?;
            found.say();
            let live: Vec<&CallId> = found.live().collect();
            if !live.is_empty() {
                let live: Vec<&str> = live.into_iter().map(CallId::as_str).collect();
                bail!("these calls live, and would be written anew: {}; erase when they are over", live.join(", "));
            }
            if yes {
                let order = Order { act: "privacy erase", config, found: &found, request: Uuid::now_v7().to_string() };
                order.carry_out(found.erase(config)).await?;
                say("erased");
            } else {
                say("nothing was erased: say --yes");
            }
            elsewhere(config, &found).iter().for_each(say);
            Ok(found.exit_code())
        }
    }
}

/// What is done to a caller's data, as the audit log is told of it: that it is going to be, and how it went.
struct Order<'a> {
    act: &'static str,
    config: &'a Config,
    found: &'a Found,
    request: String,
}

impl Order<'_> {
    /// What nobody could write down is not done.
    async fn carry_out(&self, doing: impl Future<Output = Result<()>>) -> Result<()> {
        self.tell(audit::ORDERED).context("nothing was done")?;
        let done = doing.await;
        let told = self.tell(if done.is_ok() { audit::DONE } else { audit::FAILED });
        done.and_then(|()| told.context("it was done"))
    }

    fn tell(&self, outcome: &'static str) -> Result<()> {
        let Some(dir) = &self.config.audit.dir else { return Ok(()) };
        let cannot = || format!("cannot write to the audit log in {}", dir.display());
        // The process has the user's id who runs it.
        let user = fs::metadata("/proc/self").with_context(cannot)?.uid();
        let act = |on: Option<&CallId>| Act {
            subject: format!("uid:{user}"),
            tenant: self.found.tenant.clone(),
            act: self.act.to_owned(),
            on: on.map(CallId::to_string),
            status: None,
            outcome,
            request: self.request.clone(),
        };
        let mut acts: Vec<Act> = self.found.calls.iter().map(|call| act(Some(call))).collect();
        if acts.is_empty() {
            acts.push(act(None));
        }
        if audit::record(dir, &acts).with_context(cannot)? == Recorded::HandedIn && outcome != audit::ORDERED {
            say("the gateway writes it into the audit log");
        }
        Ok(())
    }
}

impl Found {
    async fn look(config: &Config, whose: Whose) -> Result<Self> {
        let tenant = TenantId::new(whose.tenant);
        let number = whose.caller.map(Pii::new);
        if number.as_ref().is_some_and(|number| digits(number.reveal()).is_empty()) {
            bail!("--caller has no digits");
        }
        let mut unseen = Vec::new();
        let key = config.privacy.pseudonym_key.as_ref().map(Pseudonyms::new);
        let name = match (&number, &key) {
            (Some(number), Some(key)) => key.of(&tenant, number),
            (Some(_), None) => {
                unseen.push("calls that are over, by their caller's number: privacy.pseudonym_key is not set".to_owned());
                None
            }
            (None, _) => None,
        };
        let mut calls: BTreeSet<CallId> = whose.call.into_iter().map(CallId::new).collect();
        if let (Some(dir), Some(name)) = (&config.events.dir, &name) {
            match spool::calls_of(dir, &tenant, name) {
                Ok(found) => calls.extend(found),
                Err(error) => unseen.push(format!("events of {}: {:#}", dir.display(), anyhow!(error))),
            }
        }
        let mut parts = Vec::new();
        if let Some(dir) = &config.recording.dir {
            parts = recording::parts_of(dir, &tenant).with_context(|| format!("cannot read {}", dir.display()))?;
            let of_caller = |part: &&Part| name.is_some() && part.caller_ref == name;
            calls.extend(parts.iter().filter(of_caller).map(|part| part.call.clone()));
        }
        let (subjects, states) = in_redis(config, &tenant, number.as_ref(), &mut calls, &mut unseen).await;
        parts.retain(|part| calls.contains(&part.call));
        let (bucket, objects) = in_store(config, &tenant, &calls, &mut unseen).await?;
        let (events, copies) = in_folder(config, &tenant, &calls, &mut unseen);
        Ok(Self { tenant, calls, events, copies, parts, objects, bucket, states, subjects, unseen })
    }

    fn live(&self) -> impl Iterator<Item = &CallId> {
        let held = self.states.iter().filter(|kept| kept.lives).map(|kept| &kept.call);
        held.chain(self.parts.iter().filter(|part| part.grows).map(|part| &part.call))
    }

    fn say(&self) {
        say(format_args!(
            "{} calls: {} events, {} parts of recordings, {} states in redis",
            self.calls.len(),
            self.events,
            self.parts.len(),
            self.states.len()
        ));
        if self.copies.events > 0 {
            say(format_args!("{} events that kafka refused", self.copies.events));
        }
        if self.bucket.is_some() {
            say(format_args!("{} objects in the store of recordings", self.objects.len()));
        }
        self.calls.iter().for_each(|call| say(format_args!("  {call}")));
        self.unseen.iter().for_each(|what| say(format_args!("not looked at: {what}")));
    }

    /// Where something could not be looked at nobody may take it for done.
    fn exit_code(&self) -> ExitCode {
        if self.unseen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    async fn export(&self, config: &Config, out: &Path) -> Result<()> {
        let make =
            |dir: &Path| fs::DirBuilder::new().mode(0o700).create(dir).with_context(|| format!("cannot make {}", dir.display()));
        make(out)?;
        let write = |name: &str| File::create_new(out.join(name)).with_context(|| format!("cannot write {name}"));
        if let Some(dir) = &config.events.dir {
            let mut file = BufWriter::new(write("events.ndjson")?);
            each_event(dir, &self.tenant, &self.calls, |event| Ok(writeln!(file, "{event}")?))?;
            file.flush()?;
        }
        if self.copies.events > 0 {
            let mut file = BufWriter::new(write("refused.ndjson")?);
            self.copies.export(&self.tenant, &self.calls, &mut file)?;
            file.flush()?;
        }
        let mut file = write("states.ndjson")?;
        for kept in &self.states {
            writeln!(file, "{}", kept.document.reveal())?;
        }
        make(&out.join("recordings"))?;
        for part in self.parts.iter().flat_map(|part| &part.files) {
            let name = part.file_name().context("a part has a name")?;
            fs::copy(part, out.join("recordings").join(name)).with_context(|| format!("cannot copy {}", part.display()))?;
        }
        let urls: BTreeSet<&String> =
            self.objects.iter().chain(self.parts.iter().filter_map(|part| part.stored.as_ref())).collect();
        for url in urls {
            let (_, name) = url.rsplit_once('/').context("an object has a name")?;
            let bucket =
                self.bucket.as_ref().with_context(|| format!("{url} lies in a store that is not configured any more"))?;
            // Where it lies here as well it is the same.
            let Ok(mut file) = File::create_new(out.join("recordings").join(name)) else { continue };
            bucket.fetch(url, &mut file).await.with_context(|| format!("cannot fetch {url}"))?;
        }
        Ok(())
    }

    /// What says least of the caller goes last: whoever is interrupted finds the calls again.
    async fn erase(&self, config: &Config) -> Result<()> {
        for kept in &self.states {
            let subjects = self.subjects.as_ref().context("a state has a redis")?;
            subjects.erase(&kept.call).await.map_err(|code| anyhow!("cannot erase from redis: {code}"))?;
        }
        if let Some(dir) = &config.recording.dir {
            let recorded: BTreeSet<&CallId> = self.parts.iter().map(|part| &part.call).collect();
            for call in recorded {
                let cannot = || format!("cannot erase recordings of {call}");
                let forgotten = recording::forget(dir, &self.tenant, call, DeletionReason::Ordered).with_context(cannot)?;
                recording::delete_in_store(self.bucket.as_ref(), dir, &forgotten).await.with_context(cannot)?;
            }
        }
        for url in &self.objects {
            let bucket = self.bucket.as_ref().context("an object has a store")?;
            bucket.delete_url(url).await.with_context(|| format!("cannot erase {url}"))?;
        }
        self.copies.erase(&self.tenant, &self.calls)?;
        match config.events.dir.as_deref().map(|dir| spool::erase(dir, &self.tenant, &self.calls)) {
            None | Some(Ok(_) | Err(ReadError::Absent)) => Ok(()),
            Some(Err(error)) => Err(anyhow!(error).context("cannot erase events")),
        }
    }
}

/// What the store of recordings has of the calls that are known.
async fn in_store(
    config: &Config,
    tenant: &TenantId,
    calls: &BTreeSet<CallId>,
    unseen: &mut Vec<String>,
) -> Result<(Option<Bucket>, Vec<String>)> {
    let Some(store) = &config.recording.store else { return Ok((None, Vec::new())) };
    let (bucket, mut objects) = (Bucket::new(store)?, Vec::new());
    for call in calls {
        match bucket.objects_of(tenant, call).await {
            Ok(found) => objects.extend(found),
            Err(error) => {
                unseen.push(format!("recordings in s3://{}: {error}", store.bucket));
                break;
            }
        }
    }
    Ok((Some(bucket), objects))
}

/// What Redis has of the calls that are known, and of those with that number; these are known from then on.
async fn in_redis(
    config: &Config,
    tenant: &TenantId,
    number: Option<&Pii<String>>,
    calls: &mut BTreeSet<CallId>,
    unseen: &mut Vec<String>,
) -> (Option<Subjects>, Vec<Kept>) {
    let Some(state) = &config.state else { return (None, Vec::new()) };
    let looked = async {
        let subjects = Subjects::connect(state).await?;
        let mut states = Vec::new();
        let listed = if number.is_some() { subjects.listed(tenant).await? } else { Vec::new() };
        let wanted = number.map(|number| digits(number.reveal()));
        let candidates: BTreeSet<CallId> = calls.iter().cloned().chain(listed).collect();
        for call in candidates {
            let Some(kept) = subjects.kept(tenant, &call).await? else { continue };
            if calls.contains(&call) || wanted.as_ref().is_some_and(|wanted| digits(kept.person.reveal()) == *wanted) {
                states.push(kept);
            }
        }
        Ok::<_, String>((subjects, states))
    };
    match looked.await {
        Ok((subjects, states)) => {
            calls.extend(states.iter().map(|kept| kept.call.clone()));
            (Some(subjects), states)
        }
        Err(code) => {
            unseen.push(format!("redis: {code}"));
            (None, Vec::new())
        }
    }
}

/// How many events of these calls the folder of events has, and what lies beside its database.
fn in_folder(config: &Config, tenant: &TenantId, calls: &BTreeSet<CallId>, unseen: &mut Vec<String>) -> (usize, Copies) {
    let Some(dir) = &config.events.dir else { return (0, Copies::default()) };
    let events = each_event(dir, tenant, calls, |_| Ok(())).unwrap_or_else(|error| {
        unseen.push(format!("events of {}: {error:#}", dir.display()));
        0
    });
    let copies = Copies::look(dir, tenant, calls).unwrap_or_else(|error| {
        unseen.push(format!("events beside the database in {}: {error:#}", dir.display()));
        Copies::default()
    });
    unseen.extend(copies.closed.iter().cloned());
    (events, copies)
}

/// Gives each event of these calls, and says how many there were.
fn each_event(
    dir: &Path,
    tenant: &TenantId,
    calls: &BTreeSet<CallId>,
    mut take: impl FnMut(&str) -> Result<()>,
) -> Result<usize> {
    let past = match Past::open(dir) {
        Err(ReadError::Absent) => return Ok(0),
        opened => opened?,
    };
    let mut events = 0;
    for call in calls {
        let filter = Filter { tenant: Some(tenant.to_string()), call: Some(call.to_string()), ..Filter::default() };
        let mut behind = 0;
        loop {
            let batch = past.read(behind, BATCH, &filter)?;
            let Some(last) = batch.last() else { break };
            behind = last.place;
            batch.iter().try_for_each(|stored| take(&stored.event))?;
            events += batch.len();
        }
    }
    Ok(events)
}

/// What nobody can erase from here.
fn elsewhere(config: &Config, found: &Found) -> Vec<String> {
    let mut elsewhere = vec![
        "elsewhere: other gateways' folders of events and recordings: run this with each of them".to_owned(),
        "elsewhere: the agent's service keeps conversations by its own rules".to_owned(),
        "elsewhere: vendors that heard and spoke keep what their contracts say".to_owned(),
        "elsewhere: backups, and copies that were exported".to_owned(),
    ];
    if let Some(kafka) = &config.kafka {
        elsewhere.push(format!(
            "elsewhere: kafka topic {} keeps events until its retention ends; it cannot erase one call's",
            kafka.topic
        ));
    }
    if let Some(dir) = &config.audit.dir {
        elsewhere.push(format!(
            "elsewhere: the audit log in {} is a chain and stays whole; it has neither words nor numbers of callers",
            dir.display()
        ));
    }
    if config.recording.store.is_some() {
        elsewhere.push("elsewhere: a bucket that keeps versions keeps what is deleted until its own rules delete it".to_owned());
    }
    if found.copies.of_others > 0 {
        elsewhere.push(format!(
            "elsewhere: {} events that kafka refused are of other calls; those of calls that began before events.keep_days are found by --call alone",
            found.copies.of_others
        ));
    }
    if let Some(record) = config.plugins.record.as_ref().filter(|record| record.tenant == found.tenant) {
        elsewhere.push(format!(
            "elsewhere: recordings of plugins' sessions in {} hold what callers said: delete those named after these calls",
            record.dir.display()
        ));
    }
    elsewhere.push("elsewhere: webhooks' receivers have the events that they were told".to_owned());
    elsewhere
}
