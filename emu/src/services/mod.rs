//! What the DSP answers (process control, remotectl, listener, current_process …) and what it asks from the AP.
