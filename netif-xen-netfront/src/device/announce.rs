//! What the frontend writes to xenstore of its rings and what it takes.

use traits::Offload;

use super::connect::VLAN_TAG;
use super::{ConnectError, Netfront};
use crate::frame::ETHERNET_HEADER;
use crate::hypervisor::PAGE;
use crate::receive::RxQueue;
use crate::store::{Path, decimal, join};
use crate::{Channel, Hypervisor, StoreError};

impl<H: Hypervisor, const QUEUES: usize> Netfront<H, QUEUES> {
    /// Writes what the backend has to know: everything but the state.
    pub(super) async fn announce(&self, queues: usize) -> Result<(), ConnectError> {
        for index in 0..queues {
            let directory = match queues {
                1 => self.frontend.clone(),
                _ => {
                    let mut name = Path::try_from("queue-").map_err(|_| StoreError::TooLong)?;
                    name.push_str(&decimal(index as u32)).map_err(|_| StoreError::TooLong)?;
                    join(&self.frontend, &name)?
                }
            };
            self.announce_queue(index, &directory).await?;
        }
        let several = self.takes_large() || self.mtu.get() + ETHERNET_HEADER + VLAN_TAG > PAGE;
        // The same for as long as the driver lives.
        let checked = self.agreed.get().offload.contains(Offload::RX_CHECKSUM);
        self.put(
            &self.frontend,
            [
                (queues > 1).then_some(("multi-queue-num-queues", queues as u32)),
                Some(("request-rx-copy", 1)),
                Some(("feature-rx-notify", 1)),
                Some(("feature-sg", several.into())),
                Some(("feature-gso-tcpv4", self.takes_large().into())),
                // Where it is missing, it is 0.
                (!checked).then_some(("feature-no-csum-offload", 1)),
            ],
        )
        .await
    }

    async fn announce_queue(&self, index: usize, directory: &str) -> Result<(), ConnectError> {
        let (tx_ring, rx_ring) = {
            let transmit = self.transmit.borrow();
            let receive = self.receive.borrow();
            let tx = transmit.as_ref().and_then(|transmit| transmit.queues.get(index)?.grant());
            let rx = receive.queues.get(index).and_then(RxQueue::grant);
            (tx.ok_or(ConnectError::Exhausted)?, rx.ok_or(ConnectError::Exhausted)?)
        };
        let (tx, rx) = {
            let channels = self.channels.borrow();
            let channels = channels.get(index).ok_or(ConnectError::Exhausted)?;
            (channels.tx.port(), channels.rx.as_ref().map(Channel::port))
        };
        let tx_name = if rx.is_some() { "event-channel-tx" } else { "event-channel" };
        self.put(
            directory,
            [
                Some(("tx-ring-ref", tx_ring.0)),
                Some(("rx-ring-ref", rx_ring.0)),
                Some((tx_name, tx)),
                rx.map(|rx| ("event-channel-rx", rx)),
                None,
                None,
            ],
        )
        .await
    }

    /// Writes what there is of a list, one after the other: a single place to wait at
    /// is a fraction of the code that one for each would be.
    async fn put(&self, directory: &str, values: [Option<(&str, u32)>; 6]) -> Result<(), ConnectError> {
        for (name, number) in values.into_iter().flatten() {
            self.hypervisor.write(&join(directory, name)?, &decimal(number)).await?;
        }
        Ok(())
    }
}
