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
        if queues > 1 {
            self.put(&self.frontend, "multi-queue-num-queues", queues as u32).await?;
        }
        let several = self.takes_large() || self.mtu.get() + ETHERNET_HEADER + VLAN_TAG > PAGE;
        self.put(&self.frontend, "request-rx-copy", 1).await?;
        self.put(&self.frontend, "feature-rx-notify", 1).await?;
        self.put(&self.frontend, "feature-sg", several.into()).await?;
        self.put(&self.frontend, "feature-gso-tcpv4", self.takes_large().into()).await?;
        // The same for as long as the driver lives; where it is missing, it is 0.
        let checked = self.agreed.get().offload.contains(Offload::RX_CHECKSUM);
        if !checked {
            self.put(&self.frontend, "feature-no-csum-offload", 1).await?;
        }
        Ok(())
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
        self.put(directory, "tx-ring-ref", tx_ring.0).await?;
        self.put(directory, "rx-ring-ref", rx_ring.0).await?;
        match rx {
            None => self.put(directory, "event-channel", tx).await?,
            Some(rx) => {
                self.put(directory, "event-channel-tx", tx).await?;
                self.put(directory, "event-channel-rx", rx).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, directory: &str, name: &str, number: u32) -> Result<(), StoreError> {
        self.hypervisor.write(&join(directory, name)?, &decimal(number)).await
    }
}
