//! Network over the Xen split network driver.
