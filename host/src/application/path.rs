//! The self-test of a call's media path, and what follows from it: one rebuild, then the operator's choice.

/// What becomes of a call whose path is silent even after it was built anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSilentPath {
    /// It goes on: sound may still come, and a caller who says nothing again and again is let go in any case.
    #[default]
    GoOn,
    /// It ends as `no_sound`.
    End,
}

/// How the self-test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathTest {
    /// Of the path as it was set up.
    First,
    /// The path is being built anew; what is told of the old one counts no more.
    Rebuilding,
    /// Of the path as it was built anew.
    Second,
    /// It is over.
    Over,
}

/// What follows from silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The path is to be built anew.
    Rebuild,
    /// It was silent twice.
    Twice,
    /// Nothing more.
    Known,
}

impl PathTest {
    /// Packets were not seen both ways in time.
    pub(super) fn silent(&mut self) -> Silence {
        match self {
            Self::First => {
                *self = Self::Rebuilding;
                Silence::Rebuild
            }
            Self::Second => {
                *self = Self::Over;
                Silence::Twice
            }
            Self::Rebuilding | Self::Over => Silence::Known,
        }
    }

    /// Packets were seen both ways. True where that is thanks to the rebuild.
    pub(super) fn proven(&mut self) -> bool {
        match self {
            Self::First => {
                *self = Self::Over;
                false
            }
            Self::Second => {
                *self = Self::Over;
                true
            }
            Self::Rebuilding | Self::Over => false,
        }
    }

    /// The path was built anew, or could not be.
    pub(super) fn rebuilt(&mut self, done: bool) {
        *self = if done { Self::Second } else { Self::Over };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_path_is_built_anew_once() {
        let mut test = PathTest::First;
        assert_eq!(test.silent(), Silence::Rebuild);
        // Of the old leg, while the new one is built.
        assert_eq!((test.silent(), test.proven()), (Silence::Known, false));
        test.rebuilt(true);
        assert_eq!(test.silent(), Silence::Twice);
        assert_eq!((test.silent(), test.proven()), (Silence::Known, false));
    }

    #[test]
    fn a_path_that_was_proven_is_not_built_anew() {
        let mut test = PathTest::First;
        assert!(!test.proven());
        assert_eq!(test.silent(), Silence::Known);
        let mut test = PathTest::First;
        test.silent();
        test.rebuilt(true);
        assert!(test.proven());
        let mut test = PathTest::First;
        test.silent();
        test.rebuilt(false);
        assert_eq!(test.silent(), Silence::Known);
    }
}
