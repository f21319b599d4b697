//! DSPs that simply exist: a GLINK edge each, over FIFOs in an RPM message RAM (bindings `qcom,glink-rpm-edge`,
//! `qcom,rpm-msg-ram`).

use super::Builder;
use super::nodes::{at, cells, node, string};
use crate::device::layout::{Irq, MSGRAM_SIZE};
use crate::profile::{DspProfile, Profile};
use dtoolkit::Node as _;
use dtoolkit::model::DeviceTreeNode;

impl Builder<'_> {
    pub(super) fn rpm(&mut self, root: &mut DeviceTreeNode, profile: &Profile) {
        for (index, dsp) in profile.dsps.iter().enumerate() {
            let msgram = self.msgram(root, index, dsp);
            let mut edge = node(&format!("rpm-glink-{}", dsp.label));
            edge.add_property(string("compatible", "qcom,glink-rpm"));
            edge.add_property(string("label", &dsp.label));
            edge.add_property(self.interrupt(Irq::Glink(index)));
            edge.add_property(cells("qcom,rpm-msg-ram", &[msgram]));
            edge.add_property(cells("mboxes", &[self.mailboxes[index], 0]));
            let path = format!("/{}", edge.name());
            self.symbols.push((format!("glink_{}", dsp.label), path.clone()));
            self.fastrpc(&mut edge, &path, dsp);
            root.add_child(edge);
        }
    }

    fn msgram(&mut self, root: &mut DeviceTreeNode, index: usize, dsp: &DspProfile) -> u32 {
        let mut msgram = at("sram", self.layout.msgram(index), MSGRAM_SIZE);
        msgram.add_property(string("compatible", "qcom,rpm-msg-ram"));
        self.labelled(root, msgram, &format!("msgram_{}", dsp.label))
    }
}
