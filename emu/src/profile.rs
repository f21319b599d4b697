//! SoC profiles (`configs/*.toml`): which DSPs, which Hexagon version, HVX, context banks with their stream IDs, addresses.
