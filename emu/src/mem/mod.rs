//! Memory: guest RAM, the DSP's bus through the SMMU, a DSP process's address space.
