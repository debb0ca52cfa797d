//! What the tool stack asks of the guest, through `control/shutdown`.

use traits::Console as _;

use super::{Xen, store::StoreError};
use crate::Os;

/// How a guest ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Poweroff,
    Reboot,
}

impl End {
    /// What a request means; `None` for one that this guest does not know, such
    /// as to be suspended.
    fn asked(request: &[u8]) -> Option<Self> {
        match request {
            b"poweroff" | b"halt" => Some(Self::Poweroff),
            b"reboot" => Some(Self::Reboot),
            _ => None,
        }
    }

    pub(super) const fn reason(self) -> u32 {
        match self {
            Self::Poweroff => xen_sys::SHUTDOWN_poweroff,
            Self::Reboot => xen_sys::SHUTDOWN_reboot,
        }
    }
}

/// Completes when the guest is asked to end. The request is taken back from
/// xenstore first: that is the answer.
pub(super) async fn asked(os: &Os<Xen>) -> Result<End, StoreError> {
    const NODE: &str = "control/shutdown";
    let store = os.store();
    // The tool stack looks whether the guest would answer.
    for feature in ["control/feature-poweroff", "control/feature-reboot"] {
        // It works without, where the node may not be written.
        let _ = store.write(feature, b"1").await;
    }
    let watch = store.watch(NODE).await?;
    loop {
        watch.fired().await;
        let request = match store.read(NODE).await {
            Ok(request) if !request.is_empty() => request,
            Ok(_) | Err(StoreError::Missing) => continue,
            Err(error) => return Err(error),
        };
        store.write(NODE, b"").await?;
        match End::asked(&request) {
            Some(end) => return Ok(end),
            None => os.console().log("asked for something that this guest does not do"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tool_stack_may_ask() {
        assert_eq!(End::asked(b"poweroff"), Some(End::Poweroff));
        assert_eq!(End::asked(b"halt"), Some(End::Poweroff));
        assert_eq!(End::asked(b"reboot"), Some(End::Reboot));
        assert_eq!(End::asked(b"suspend"), None);
    }
}
