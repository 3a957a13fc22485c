//! Whether whoever knows the tenants answers.

use super::report::Row;
use crate::adapters::settings::operator_cas;
use crate::adapters::tenants::RemoteTenants;
use crate::config::Config;

pub(super) async fn row(config: &Config) -> Row {
    let Some(manager) = &config.tenants.manager else {
        return Row::fine("tenants", "are known here ([tenants]): no service is asked");
    };
    let place = manager.url.origin().ascii_serialization();
    let cas = match operator_cas(&config.plugins) {
        Ok(cas) => cas,
        Err(faults) => return Row::fault("tenant-manager", faults),
    };
    match RemoteTenants::reach(manager, &cas).await {
        Ok(()) => Row::fine("tenant-manager", format_args!("{place} answers")),
        Err(what) => Row::fault("tenant-manager", format_args!("{place}: {what}")),
    }
}
