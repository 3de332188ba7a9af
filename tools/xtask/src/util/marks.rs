// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Pages whose parts are written by verbs: each part stands between two marks.

use anyhow::{bail, Result};

/// Returns the text with something else between the lines `begin` and `end`.
///
/// # Errors
///
/// Names the mark that is not there.
pub(crate) fn replaced(text: &str, begin: &str, end: &str, between: &str) -> Result<String> {
    let Some((before, rest)) = text.split_once(begin) else {
        bail!("no line {}", begin.trim());
    };
    let Some((_, after)) = rest.split_once(end) else {
        bail!("no line {}", end.trim());
    };
    Ok(format!("{before}{begin}{between}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let (begin, end) = ("<!-- b -->\n", "<!-- e -->\n");
        let page = format!("a\n{begin}old\n{end}z\n");
        let new = replaced(&page, begin, end, "new\n").unwrap();
        assert_eq!(new, format!("a\n{begin}new\n{end}z\n"));
        assert_eq!(replaced(&new, begin, end, "new\n").unwrap(), new);
        for (text, missing) in [("a\n", "<!-- b -->"), (begin, "<!-- e -->")] {
            let error = replaced(text, begin, end, "new\n").unwrap_err();
            assert_eq!(error.to_string(), format!("no line {missing}"));
        }
    }
}
