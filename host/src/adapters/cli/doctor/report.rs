//! How findings are shown.

use std::fmt::{self, Display};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    verdict: Verdict,
    name: String,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// It works, worse than it could.
    Warning,
    /// It does not work.
    Fault,
}

impl Row {
    pub(super) fn fine(name: impl Display, detail: impl Display) -> Self {
        Self::new(Verdict::Fine, name, detail)
    }

    pub(super) fn warning(name: impl Display, detail: impl Display) -> Self {
        Self::new(Verdict::Warning, name, detail)
    }

    pub(super) fn fault(name: impl Display, detail: impl Display) -> Self {
        Self::new(Verdict::Fault, name, detail)
    }

    fn new(verdict: Verdict, name: impl Display, detail: impl Display) -> Self {
        Self { verdict, name: name.to_string(), detail: detail.to_string() }
    }
}

/// Findings under their headings, in order.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(&'static str, Vec<Row>)>);

impl Report {
    pub(super) fn extend(&mut self, heading: &'static str, rows: impl IntoIterator<Item = Row>) {
        self.0.push((heading, rows.into_iter().collect()));
    }

    pub(super) fn faults(&self) -> usize {
        self.count(Verdict::Fault)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().flat_map(|(_, rows)| rows).filter(|row| row.verdict == verdict).count()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().flat_map(|(_, rows)| rows).map(|row| row.name.len()).max().unwrap_or(0);
        for (heading, rows) in &self.0 {
            writeln!(f, "{heading}")?;
            for Row { verdict, name, detail } in rows {
                let mark = match verdict {
                    Verdict::Fine => "ok   ",
                    Verdict::Warning => "warn ",
                    Verdict::Fault => "FAULT",
                };
                writeln!(f, "  {mark}  {name:width$}  {detail}")?;
            }
        }
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        write!(f, "{}, {}", counted(self.faults(), "fault"), counted(self.count(Verdict::Warning), "warning"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stand_in_columns_under_their_headings_and_are_counted() {
        let mut report = Report::default();
        report.extend("plugins", [Row::fine("stt-local", "stt 0.1.0"), Row::fault("x", "file is not webassembly")]);
        report.extend("machine", [Row::warning("priority", "not allowed")]);
        assert_eq!(
            report.to_string(),
            "plugins\n  ok     stt-local  stt 0.1.0\n  FAULT  x          file is not webassembly\n\
             machine\n  warn   priority   not allowed\n1 fault, 1 warning"
        );
    }
}
