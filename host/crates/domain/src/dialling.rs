//! What becomes of somebody who is called.

/// Who or what took a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnsweredBy {
    /// This gateway: somebody called it.
    Gateway,
    /// The called side; nobody looked whether it is a person.
    CalledSide,
    /// A person, as far as the answering-machine detection can tell.
    Human,
    /// A machine, as far as it can tell.
    Machine,
    /// It could not tell.
    NotSure,
}

impl AnsweredBy {
    /// None where the text is no such label.
    pub fn parse(code: &str) -> Option<Self> {
        let all = [Self::Gateway, Self::CalledSide, Self::Human, Self::Machine, Self::NotSure];
        all.into_iter().find(|known| known.code() == code)
    }

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::CalledSide => "called_side",
            Self::Human => "human",
            Self::Machine => "machine",
            Self::NotSure => "notsure",
        }
    }
}

/// Why somebody who was called was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialFailure {
    /// Is on the telephone.
    Busy,
    /// Did not answer in time.
    NoAnswer,
    /// The way there is full or broken.
    Congestion,
    /// Does not want the call.
    Rejected,
    /// There is nobody of that number.
    Unallocated,
    /// Any other reason.
    Failed,
}

impl DialFailure {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Busy, Self::NoAnswer, Self::Congestion, Self::Rejected, Self::Unallocated, Self::Failed];

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Congestion => "congestion",
            Self::Rejected => "rejected",
            Self::Unallocated => "unallocated",
            Self::Failed => "dial_failed",
        }
    }

    /// From a cause of ITU-T Q.850, table 1. 16 (normal clearing) and 0 say nothing of a call that was never answered.
    pub fn from_q850(cause: u32) -> Self {
        match cause {
            17 => Self::Busy,
            18..=20 => Self::NoAnswer,
            21 => Self::Rejected,
            1..=3 | 22 | 28 => Self::Unallocated,
            27 | 34 | 38 | 41..=44 | 47 => Self::Congestion,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_of_q850_are_told_apart() {
        let told: Vec<_> = [0, 1, 16, 17, 18, 19, 21, 28, 34, 42, 127, u32::MAX]
            .map(DialFailure::from_q850)
            .iter()
            .map(|failure| failure.code())
            .collect();
        let expected = [
            "dial_failed",
            "unallocated",
            "dial_failed",
            "busy",
            "no_answer",
            "no_answer",
            "rejected",
            "unallocated",
            "congestion",
            "congestion",
            "dial_failed",
            "dial_failed",
        ];
        assert_eq!(told, expected);
    }
}
