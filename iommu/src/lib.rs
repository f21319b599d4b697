//! An Arm SMMU-500 as its registers and page tables say it: stream matching, context banks, VMSAv8-64 walks, faults.
#![forbid(unsafe_code)]
