//! QRTR, the router of Qualcomm's IPC, as a DSP speaks it on the GLINK channel [`CHANNEL`]: packets, the name service's control
//! messages, and [`Node`], everything that a DSP does there.
//!
//! Source: `net/qrtr/af_qrtr.c`, `net/qrtr/ns.c`, `net/qrtr/smd.c` and `include/uapi/linux/qrtr.h` of the kernel. Every processor is
//! a node with a number, every socket of it a port. Port [`PORT_CONTROL`] of each node belongs to the name service: both sides
//! say HELLO, announce their servers, and take them back. Data packets carry [`qmi`](crate::qmi) messages.

pub mod control;
pub mod flow;
pub mod node;
pub mod packet;

pub use control::{Control, ControlError, Server};
pub use flow::Flows;
pub use node::{Node, NodeConfig, NodeError, NodeEvent, NodeLimits, Output, Refusal};
pub use packet::{Address, Kind, Packet, PacketError, Version};

/// The GLINK channel of QRTR (`qcom_smd_qrtr_smd_match` in `net/qrtr/smd.c`).
pub const CHANNEL: &str = "IPCRTR";
/// Port of the name service on every node (`QRTR_PORT_CTRL`).
pub const PORT_CONTROL: u32 = 0xFFFF_FFFE;
/// Node number of a broadcast, and of a node that has no number yet (`QRTR_NODE_BCAST`, `QRTR_EP_NID_AUTO`).
pub const NODE_ANY: u32 = 0xFFFF_FFFF;
/// The AP's node number (`qrtr_local_nid`).
pub const NODE_AP: u32 = 1;
