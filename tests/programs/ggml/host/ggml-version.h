/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What ggml's own build writes; nothing here asks for it.
 */
#define GGML_VERSION "0"
#define GGML_COMMIT "unknown"
