// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The bench: one boot that counts instructions, and what is made of its figures.

pub(crate) mod baseline;
pub(crate) mod goals;
pub(crate) mod guest;
pub(crate) mod plot;
pub(crate) mod provenance;
pub(crate) mod table;

use anyhow::{bail, Result};
use guest_init::figure::{Case, Effect, Figure, Line, Via, What};
use serde::Serialize;

use provenance::Provenance;

/// All that one boot has found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    /// What it was found out with.
    pub(crate) provenance: Provenance,
    /// What things cost.
    pub(crate) figures: Vec<Figure>,
    /// What the target saw.
    pub(crate) effects: Vec<Effect>,
    /// Only some sizes were measured.
    pub(crate) is_short: bool,
}

impl Results {
    /// Takes what the guest wrote.
    pub(crate) fn read(output: &str, mut provenance: Provenance) -> Result<Self> {
        let mut results = Self::default();
        for text in output.lines() {
            match serde_json::from_str(text) {
                Ok(Line::Figure(figure)) => results.figures.push(figure),
                Ok(Line::Effect(effect)) => results.effects.push(effect),
                Ok(Line::Kernel(release)) => provenance.kernel = release,
                Err(_) => bail!("the guest wrote something that is no figure: {text}"),
            }
        }
        if results.figures.is_empty() {
            bail!("the guest wrote no figure");
        }
        results.provenance = provenance;
        Ok(results)
    }

    /// The figure of this way with a target of this size.
    pub(crate) fn get(&self, way: Way, size: Size) -> Option<&Figure> {
        self.figures
            .iter()
            .find(|figure| Way::of(figure) == way && Size::of(figure) == size)
    }

    /// The figures as JSON, one object a line; the first line says what they were made with.
    pub(crate) fn to_json_lines(&self) -> Result<String> {
        fn line(text: &mut String, value: &impl Serialize) -> Result<()> {
            *text += &serde_json::to_string(value)?;
            text.push('\n');
            Ok(())
        }
        let mut text = String::new();
        line(&mut text, &self.provenance)?;
        for figure in &self.figures {
            line(&mut text, figure)?;
        }
        for effect in &self.effects {
            line(&mut text, effect)?;
        }
        Ok(text)
    }
}

/// What is done, by which means, to a target in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way(pub(crate) What, pub(crate) Via, pub(crate) Case);

impl Way {
    /// The way of a figure.
    pub(crate) fn of(figure: &Figure) -> Self {
        Self(figure.what, figure.via, figure.case)
    }

    /// A call itself, on a process that is stopped.
    pub(crate) fn raw(what: What) -> Self {
        Self(what, Via::Raw, Case::Stopped)
    }
}

/// How large the signal state of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Size {
    /// Queued signals.
    pub(crate) pending: u32,
    /// Threads.
    pub(crate) threads: u32,
    /// Actions that are not the default.
    pub(crate) actions: u32,
}

impl Size {
    /// The size of a figure's target.
    pub(crate) fn of(figure: &Figure) -> Self {
        Self {
            pending: figure.pending,
            threads: figure.threads,
            actions: figure.actions,
        }
    }

    /// A process with one thread and no actions.
    pub(crate) fn pending(pending: u32) -> Self {
        Self {
            pending,
            threads: 1,
            actions: 0,
        }
    }

    /// A process without signals and actions.
    pub(crate) fn threads(threads: u32) -> Self {
        Self {
            pending: 0,
            threads,
            actions: 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn figure(what: What, via: Via, size: Size, instructions: u64) -> Figure {
        Figure {
            what,
            via,
            case: Case::Stopped,
            pending: size.pending,
            threads: size.threads,
            actions: size.actions,
            instructions,
            instructions_min: instructions,
            instructions_max: instructions,
            repetitions: 1,
            bytes: 0,
        }
    }

    pub(crate) fn results(figures: &[Figure]) -> Results {
        Results {
            figures: figures.to_vec(),
            ..Results::default()
        }
    }

    #[test]
    fn what_the_guest_writes_is_read_and_anything_else_is_refused() {
        let figure = Line::Figure(figure(What::Getppid, Via::Floor, Size::pending(0), 198));
        let figure = serde_json::to_string(&figure).unwrap();
        let text = format!("{{\"kernel\":\"7.3.4\"}}\n{figure}\n");
        let results = Results::read(&text, Provenance::default()).unwrap();
        assert_eq!(results.provenance.kernel, "7.3.4");
        assert_eq!(results.figures[0].instructions, 198);
        let more = format!("{text}oops\n");
        assert!(Results::read(&more, Provenance::default()).is_err());
        assert!(Results::read("", Provenance::default()).is_err());
    }

    #[test]
    fn the_fields_of_a_figure_are_those_that_the_documentation_names() {
        let figure = figure(What::SigckptHold, Via::Raw, Size::pending(10), 7);
        let json = results(&[figure]).to_json_lines().unwrap();
        let line = json.lines().nth(1).unwrap();
        assert_eq!(
            line,
            "{\"what\":\"sigckpt-hold\",\"via\":\"raw\",\"pending\":10,\"threads\":1,\"actions\":0,\
             \"instructions\":7,\"instructions_min\":7,\"instructions_max\":7,\"repetitions\":1,\
             \"bytes\":0}"
        );
    }
}
