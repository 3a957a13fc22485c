//! Who keeps cards, and gives tokens for them.

use futures_util::future::BoxFuture;
use std::fmt;
use vg_domain::card::CardDigits;
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::pii::Pii;

/// Keeps cards: the only one who is told what was keyed in.
pub trait Vault: Send + Sync {
    /// Keeps a card. Safe to repeat with the same call and turn: the same card is kept once. Dropping the future gives it up.
    fn keep(&self, request: VaultRequest) -> BoxFuture<'static, Result<Kept, VaultError>>;
}

/// A card that is to be kept.
#[derive(Debug)]
pub struct VaultRequest {
    /// In which call it was keyed in.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// In which turn; with the call it names the request.
    pub turn: TurnId,
    /// What was keyed in.
    pub card: CardDigits,
}

/// What the vault gives for a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Stands for the card: printable ASCII, and nothing of the number beyond what may be shown.
    pub token: Pii<String>,
    /// The card's brand as the vault names it, where it does.
    pub brand: Option<String>,
}

/// Why a card is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No connection, or an error of the vault.
    #[error("vault is unavailable")]
    Unavailable,
    /// It took too long.
    #[error("vault is late")]
    Late,
    /// It does not take this card.
    #[error("vault refused the card")]
    Refused,
    /// It does not take the gateway's secret.
    #[error("vault does not accept the secret")]
    Unauthorized,
    /// Its answer makes no sense, or holds the number.
    #[error("vault's answer makes no sense")]
    Garbage,
    /// Its answer is longer than any token.
    #[error("vault's answer is too long")]
    TooLong,
}

impl VaultError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "vault_unavailable",
            Self::Late => "vault_late",
            Self::Refused => "vault_refused",
            Self::Unauthorized => "vault_unauthorized",
            Self::Garbage => "vault_garbage",
            Self::TooLong => "vault_too_long",
        }
    }
}

/// What the agent is told of a card that it asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct CardReport {
    /// Bounded label: `given`, `cancelled`, `invalid`, `no_input`, `vault_missing`, or why the vault did not keep it.
    pub outcome: &'static str,
    /// What the vault gave for it; some where it was given.
    pub kept: Option<Kept>,
    /// The number's last four digits, where a number was keyed in and kept.
    pub last_four: Option<Pii<String>>,
}

impl CardReport {
    /// One of which there is nothing but what became of it.
    pub fn only(outcome: &'static str) -> Self {
        Self { outcome, kept: None, last_four: None }
    }
}

impl fmt::Debug for CardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outcome)
    }
}
