//! A handler says by its arguments which scope it asks for.

use super::{AuthError, Caller, Scope};
use crate::adapters::http::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::marker::PhantomData;

/// A caller who has a scope. There is no other way to one.
pub struct Permit<G>(Caller, PhantomData<G>);

impl<G> std::ops::Deref for Permit<G> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

/// A scope as a type.
pub trait Grant {
    /// Which one.
    const SCOPE: Scope;
}

/// `calls:read`
pub struct CallsRead;
/// `calls:write`
pub struct CallsWrite;
/// `plugins:write`
pub struct PluginsWrite;
/// `admin`
pub struct Admin;

impl Grant for CallsRead {
    const SCOPE: Scope = Scope::CallsRead;
}

impl Grant for CallsWrite {
    const SCOPE: Scope = Scope::CallsWrite;
}

impl Grant for PluginsWrite {
    const SCOPE: Scope = Scope::PluginsWrite;
}

impl Grant for Admin {
    const SCOPE: Scope = Scope::Admin;
}

impl<G: Grant, S: Sync> FromRequestParts<S> for Permit<G> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Put there by the layer that reads tokens; a route outside of it serves nobody.
        let caller = parts.extensions.get::<Caller>().ok_or(AuthError::Missing)?;
        if !caller.has(G::SCOPE) {
            return Err(AuthError::Scope(G::SCOPE).into());
        }
        Ok(Self(caller.clone(), PhantomData))
    }
}
