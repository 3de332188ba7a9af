// SPDX-License-Identifier: GPL-2.0 OR MIT

//! An attack: one record after the other, and what has to hold after each.

use std::io::Write;
use std::time::Instant;

use anyhow::{anyhow, bail, ensure, Context};
use mutator::property::{verdict, Verdict};
use mutator::{campaign, tally, Mutant, Mutator, Random};
use nix::sys::prctl;
use nix::unistd::{setgroups, setresgid, setresuid, Gid, Uid};
use sigcr::{Errno, Model, RecordFlags, Snapshot};
use sigcr_sys::{SIGRESTORE_DRY_RUN, SIGRESTORE_SHARED_SIGHAND};

use super::board::{Board, Outcome};
use super::expect;
use super::scene::{Scene, Scope};
use super::state::{as_expected, same_state, Window};
use super::{Options, Role};
use crate::compare::same;

/// The records of one role.
pub(crate) struct Attack {
    pub(crate) role: Role,
    /// The first record, and how far it is from one to the next.
    pub(crate) number: u64,
    pub(crate) step: u64,
    pub(crate) options: Options,
    pub(crate) deadline: Option<Instant>,
    pub(crate) board: Board,
}

/// How the process of an attacker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All records were thrown, or the time is over.
    Done = 0,
    /// Something does not hold; it was printed.
    Failed = 81,
    /// The target is of no more use: the next attacker goes on.
    Discarded = 82,
}

/// So many records, of all roles together, are thrown at one target.
const SCENE_INPUTS: u64 = 1000;

/// What a record that the decoder takes may be refused with.
const ERRNOS: [Errno; 6] = [
    Errno::EPERM,
    Errno::ESRCH,
    Errno::EBUSY,
    Errno::EAGAIN,
    Errno::EINVAL,
    Errno::EOPNOTSUPP,
];

/// One call: what was decided about it, and what is known beforehand.
struct Throw {
    bytes: Vec<u8>,
    claimed_len: usize,
    scope: Scope,
    flags: u32,
    verdict: Verdict,
    /// The record, if it can be restored.
    model: Option<Model>,
}

impl Ended {
    pub(crate) fn from_code(code: Option<i32>) -> Option<Self> {
        let all = [Ended::Done, Ended::Failed, Ended::Discarded];
        all.into_iter().find(|ended| code == Some(*ended as i32))
    }
}

impl Attack {
    /// Throws the records behind `after`; the process ends with it.
    pub(crate) fn run_and_exit(&self, after: Option<u64>) -> ! {
        let ended = match self.run(after) {
            Ok(ended) => ended,
            Err(e) => {
                format!("{e:#}")
                    .lines()
                    .for_each(|line| println!("# {line}"));
                Ended::Failed
            }
        };
        let _ = std::io::stdout().flush();
        std::process::exit(ended as i32)
    }

    fn run(&self, after: Option<u64>) -> anyhow::Result<Ended> {
        let mut items = self.items(after).peekable();
        let Some(first) = items.peek().copied() else {
            return Ok(Ended::Done);
        };
        if !self.role.privileged {
            drop_privileges()?;
        }
        let of_scene = |index: u64| index / SCENE_INPUTS;
        let mut random = Random::of_item(!self.options.seed, of_scene(first) * 8 + self.number);
        let mut scene = Scene::new(self.role, &mut random)
            .with_context(|| format!("the target for record {first} cannot be made"))?;
        self.board.count_scene();
        let mutator = Mutator::golden();
        for index in items {
            if self.deadline.is_some_and(|at| Instant::now() >= at) {
                break;
            }
            if of_scene(index) != of_scene(first) {
                return Ok(Ended::Discarded);
            }
            self.board.begin(index);
            let throw = self.prepare(&mutator, &scene, index)?;
            let ended = self.throw(&mut scene, &throw).map_err(|e| {
                let shown = campaign::shown(&throw.bytes, self.options.seed, index);
                let (scope, flags) = (throw.scope, throw.flags);
                let verdict = throw.verdict;
                anyhow!("{e:#}\n{scope:?}, flags {flags:#x}, decoder {verdict:?}\n{shown}")
            })?;
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
        Ok(Ended::Done)
    }

    /// The records of this role behind `after`.
    fn items(&self, after: Option<u64>) -> impl Iterator<Item = u64> {
        let all = match self.options.only {
            Some(index) => index..index + 1,
            None => 0..self.options.inputs,
        };
        let (number, step) = (self.number, self.step);
        all.filter(move |index| index % step == number)
            .filter(move |index| after.is_none_or(|after| *index > after))
    }

    fn prepare(&self, mutator: &Mutator, scene: &Scene, index: u64) -> anyhow::Result<Throw> {
        let seed = self.options.seed;
        let mut random = Random::of_item(seed, index);
        let scope = match random.one_in(8) {
            true => Scope::Thread(random.index(8)),
            false => Scope::Process,
        };
        let mut flags = 0;
        for (flag, one_in) in [
            (SIGRESTORE_DRY_RUN, 12),
            (SIGRESTORE_SHARED_SIGHAND, 8),
            (1 << (2 + random.below(30)), 100),
        ] {
            flags |= if random.one_in(one_in) { flag } else { 0 };
        }
        let Mutant { bytes, claimed_len } = match random.one_in(8) {
            // One that has nothing to do with the target.
            true => mutator.mutant(seed, index),
            false => mutator.mutate(scene.pristine.as_bytes(), &mut random),
        };
        let verdict = verdict(&bytes, claimed_len);
        let model = match verdict {
            Verdict::Good => Some(Snapshot::from_bytes(bytes.clone())?.to_model()),
            _ => None,
        };
        Ok(Throw {
            bytes,
            claimed_len,
            scope,
            flags,
            verdict,
            model,
        })
    }

    /// Throws one record; says if this attacker has to end.
    fn throw(&self, scene: &mut Scene, throw: &Throw) -> anyhow::Result<Option<Ended>> {
        const KNOWN: u32 = SIGRESTORE_DRY_RUN | SIGRESTORE_SHARED_SIGHAND;
        let known_flags = throw.flags & !KNOWN == 0;
        let dry_run = throw.flags & SIGRESTORE_DRY_RUN != 0;
        let good = throw.model.as_ref().filter(|_| known_flags);
        let call = |flags| scene.restore(throw.scope, &throw.bytes, throw.claimed_len, flags);
        // A dry run beforehand has to say what then happens.
        let foretold = match (good, dry_run) {
            (Some(_), false) => {
                let foretold = call(throw.flags | SIGRESTORE_DRY_RUN);
                same_state(&scene.state, &scene.read()?, scene.cpu_time)
                    .context("after the dry run")?;
                Some(foretold)
            }
            _ => None,
        };
        let (mut deadly, mut due) = (false, false);
        if let (Some(model), false) = (good, dry_run) {
            let then = expect::after(&scene.state, model, scene.state.at);
            due = expect::is_due(&then.model, scene.cpu_time);
            deadly = self.role.own && (due || expect::takes_signal(&then.model));
        }
        self.board.set_deadly(deadly);
        let (result, at) = Window::around(|| call(throw.flags))?;
        if deadly && result.is_ok() {
            // What it has become cannot be relied on.
            self.count(throw, result);
            self.board.count_deadly();
            return Ok(Some(Ended::Discarded));
        }
        self.board.set_deadly(false);
        self.count(throw, result);
        if let Some(foretold) = foretold {
            ensure!(
                foretold == result,
                "the dry run said {foretold:?}, and then it was {result:?}"
            );
        }
        let outcome = match (result, good) {
            (Err(errno), _) => {
                self.check_errno(throw, known_flags, errno)?;
                same_state(&scene.state, &scene.read()?, scene.cpu_time)
                    .with_context(|| format!("after {errno:?}"))?;
                Outcome::Refused
            }
            (Ok(()), None) => bail!("the kernel has restored what it has to refuse"),
            (Ok(()), Some(_)) if dry_run => {
                same_state(&scene.state, &scene.read()?, scene.cpu_time)
                    .context("after the dry run")?;
                Outcome::DryRun
            }
            (Ok(()), Some(model)) => {
                let now = scene.read()?;
                if !due {
                    let wanted = expect::after(&scene.state, model, at);
                    as_expected(&wanted, &now, scene.cpu_time).context("after the restore")?;
                }
                if self.role.own && expect::may_be_on_altstack(&now.model()) {
                    // Nor can the target be made good.
                    self.board.count_outcome(Outcome::Restored { due });
                    return Ok(Some(Ended::Discarded));
                }
                if !make_good(scene)? {
                    self.board.count_outcome(Outcome::Restored { due });
                    return Ok(Some(Ended::Discarded));
                }
                Outcome::Restored { due }
            }
        };
        self.board.count_outcome(outcome);
        Ok(None)
    }

    fn count(&self, throw: &Throw, result: Result<(), Errno>) {
        let index = tally::index_of(&throw.verdict);
        self.board.count_call(index, result.err());
    }

    fn check_errno(&self, throw: &Throw, known_flags: bool, errno: Errno) -> anyhow::Result<()> {
        if !known_flags {
            ensure!(errno == Errno::EINVAL, "{errno:?} for an unknown flag");
            return Ok(());
        }
        match throw.verdict.refusal() {
            Some(refusal) => ensure!(
                errno == refusal.to_errno(),
                "the kernel says {errno:?}, the decoder {refusal}"
            ),
            None => ensure!(ERRNOS.contains(&errno), "the kernel says {errno:?}"),
        }
        Ok(())
    }
}

/// Gives the target the state back that it had at first. False if it has a thread that runs, so that
/// this may be refused.
fn make_good(scene: &mut Scene) -> anyhow::Result<bool> {
    let pristine = scene.pristine.as_bytes();
    let restore = || scene.restore(Scope::Process, pristine, pristine.len(), 0);
    let (result, at) = Window::around(restore)?;
    if result == Err(Errno::EBUSY) && scene.state.model().flags.contains(RecordFlags::UNSTABLE) {
        return Ok(false);
    }
    result.context("its own record cannot be restored any more")?;
    let wanted = expect::after(&scene.state, &scene.pristine.to_model(), at);
    let now = scene.read()?;
    as_expected(&wanted, &now, scene.cpu_time).context("with its own record again")?;
    same("/proc/PID/status", &scene.state.status, &now.status)
        .context("with its own record again")?;
    scene.state = now;
    Ok(true)
}

/// Makes the caller a process without any privilege, whose children it may trace.
fn drop_privileges() -> anyhow::Result<()> {
    const NOBODY: u32 = 65534;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    // To change the user takes it away.
    prctl::set_dumpable(true)?;
    Ok(())
}
