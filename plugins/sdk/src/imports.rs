//! What a plugin may ask of the host in the middle of a call. Natively there is no host: what [`testing`](crate::testing)
//! laid out answers, so that a plugin's logic runs in an ordinary test.

/// Bounded lines to the operator's log, tagged by the host with plugin, tenant and call.
pub mod log {
    pub use crate::bindings::describe::serphona::speech::log::Level;

    /// A line to the log. Never words that were spoken. Beyond the session's budget lines are dropped and counted.
    pub fn log(level: Level, message: &str) {
        #[cfg(target_arch = "wasm32")]
        crate::bindings::describe::serphona::speech::log::log(level, message);
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::LOGGED.with_borrow_mut(|logged| logged.push((level, message.to_owned())));
    }

    /// Something the operator has to do something about.
    pub fn error(message: &str) {
        log(Level::Error, message);
    }

    /// Something that should not be, and that the session lives with.
    pub fn warn(message: &str) {
        log(Level::Warn, message);
    }

    /// Something worth knowing once a session.
    pub fn info(message: &str) {
        log(Level::Info, message);
    }

    /// Something for the plugin's author.
    pub fn debug(message: &str) {
        log(Level::Debug, message);
    }
}

/// Read-only data shipped with the plugin, instead of files: the host offers the folder `<component>.assets`.
pub mod asset {
    /// Bytes of an asset; none where there is no asset of that name.
    pub fn size(name: &str) -> Option<u64> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::describe::serphona::speech::asset::size(name);
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::ASSETS.with_borrow(|assets| assets.get(name).map(|data| data.len() as u64))
    }

    /// At most `len` bytes from `offset`; shorter at the end, empty beyond it or for an unknown name.
    pub fn read(name: &str, offset: u64, len: u32) -> Vec<u8> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::describe::serphona::speech::asset::read(name, offset, len);
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::ASSETS.with_borrow(|assets| {
            let data = assets.get(name).map_or(&[][..], Vec::as_slice);
            let start = usize::try_from(offset).map_or(data.len(), |offset| offset.min(data.len()));
            data[start..data.len().min(start.saturating_add(len as usize))].to_vec()
        })
    }
}

/// Continues a chain of AWS signatures that the host began; the key stays with the host.
pub mod signing {
    use crate::link::LinkId;

    /// Signature of the next message of the event stream `id`, lower-case hexadecimal. `prior` is the signature before (that of
    /// [`Signed`](crate::link::Signed), then this function's own), `amz_date` the message's `:date` as `YYYYMMDDTHHMMSSZ`, the hashes
    /// are SHA-256 in lower-case hexadecimal. None where the link was not opened as an event stream or an argument has not
    /// its form. Natively it is always [`testing::SIGNATURE`](crate::testing::SIGNATURE).
    pub fn aws_chunk_signature(id: LinkId, prior: &str, amz_date: &str, header_hash: &str, payload_hash: &str) -> Option<String> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::describe::serphona::speech::signing::aws_chunk_signature(
            id,
            prior,
            amz_date,
            header_hash,
            payload_hash,
        );
        #[cfg(not(target_arch = "wasm32"))]
        {
            let _unused = (id, prior, amz_date, header_hash, payload_hash);
            Some(crate::testing::SIGNATURE.to_owned())
        }
    }
}
