/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Clocks and power. Enumerations are as short as they can be (the ABI of this target), so a request has 120 bytes: its type
 * at 0, what is asked for at 8.
 */
#ifndef HAP_POWER_H
#define HAP_POWER_H

#include "AEEStdDef.h"
#include "AEEStdErr.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    HAP_POWER_UNKNOWN_CLIENT_CLASS = 0x00,
    HAP_POWER_AUDIO_CLIENT_CLASS = 0x01,
    HAP_POWER_VOICE_CLIENT_CLASS = 0x02,
    HAP_POWER_COMPUTE_CLIENT_CLASS = 0x04,
    HAP_POWER_STREAMING_1HVX_CLIENT_CLASS = 0x08,
    HAP_POWER_STREAMING_2HVX_CLIENT_CLASS = 0x10,
} HAP_power_app_type_payload;

typedef struct {
    boolean set_mips;
    unsigned int mipsPerThread;
    unsigned int mipsTotal;
    boolean set_bus_bw;
    uint64 bwBytePerSec;
    unsigned short busbwUsagePercentage;
    boolean set_latency;
    int latency; /* microseconds */
} HAP_power_mips_bw_payload;

typedef struct {
    boolean power_up;
} HAP_power_hvx_payload, HAP_power_hmx_payload;

typedef struct {
    void *startAddress;
    uint32 size;
    uint32 throttleBlockSize;
    uint32 throttlePauseUs;
} HAP_power_linelock_payload;

typedef struct {
    void *startAddress;
    uint32 size;
} HAP_power_linelock_nothrottle_payload;

typedef enum {
    HAP_DCVS_ADJUST_UP_DOWN = 0x1,
    HAP_DCVS_ADJUST_ONLY_UP = 0x2,
} HAP_power_dcvs_payload_option;

typedef struct {
    boolean dcvs_enable;
    HAP_power_dcvs_payload_option dcvs_option;
} HAP_power_dcvs_payload;

typedef enum {
    HAP_DCVS_VCORNER_DISABLE,
    HAP_DCVS_VCORNER_SVS2,
    HAP_DCVS_VCORNER_SVS,
    HAP_DCVS_VCORNER_SVS_PLUS,
    HAP_DCVS_VCORNER_NOM,
    HAP_DCVS_VCORNER_NOM_PLUS,
    HAP_DCVS_VCORNER_TURBO,
    HAP_DCVS_VCORNER_TURBO_PLUS,
    HAP_DCVS_VCORNER_MAX = 255,
} HAP_dcvs_voltage_corner_t;

#define HAP_DCVS_VCORNER_SVSPLUS HAP_DCVS_VCORNER_SVS_PLUS
#define HAP_DCVS_VCORNER_NOMPLUS HAP_DCVS_VCORNER_NOM_PLUS

/* Corners of the matrix unit's clock, and of others from V85 on. */
typedef enum {
    HAP_DCVS_EXP_VCORNER_DISABLE = 0,
    HAP_DCVS_EXP_VCORNER_MIN = 0x100,
    HAP_DCVS_EXP_VCORNER_LOW_SVS_D2 = 0x134,
    HAP_DCVS_EXP_VCORNER_LOW_SVS_D1 = 0x138,
    HAP_DCVS_EXP_VCORNER_LOW_SVS = 0x140,
    HAP_DCVS_EXP_VCORNER_SVS = 0x180,
    HAP_DCVS_EXP_VCORNER_SVS_L0 = 0x190,
    HAP_DCVS_EXP_VCORNER_SVS_L1 = 0x1c0,
    HAP_DCVS_EXP_VCORNER_SVS_L2 = 0x1e0,
    HAP_DCVS_EXP_VCORNER_NOM = 0x200,
    HAP_DCVS_EXP_VCORNER_NOM_L0 = 0x220,
    HAP_DCVS_EXP_VCORNER_NOM_L1 = 0x240,
    HAP_DCVS_EXP_VCORNER_NOM_L2 = 0x250,
    HAP_DCVS_EXP_VCORNER_TUR = 0x280,
    HAP_DCVS_EXP_VCORNER_TUR_L0 = 0x290,
    HAP_DCVS_EXP_VCORNER_TUR_L1 = 0x2a0,
    HAP_DCVS_EXP_VCORNER_TUR_L2 = 0x2b0,
    HAP_DCVS_EXP_VCORNER_TUR_L3 = 0x2c0,
    HAP_DCVS_EXP_VCORNER_TUR_L4 = 0x2c4,
    HAP_DCVS_EXP_VCORNER_TUR_L5 = 0x2c8,
    HAP_DCVS_EXP_VCORNER_MAX = 0xffff,
} HAP_dcvs_exp_voltage_corner_t;

/* Which frequency within a corner. */
typedef enum { HAP_CLK_PERF_HIGH, HAP_CLK_PERF_LOW } HAP_clk_perf_mode_t;

#define HAP_POWER_SET_HMX_V2_DEFINED

typedef struct {
    boolean set_power;
    boolean power_up;
    boolean set_clock;
    boolean pick_default;
    HAP_dcvs_exp_voltage_corner_t target_corner;
    HAP_dcvs_exp_voltage_corner_t min_corner;
    HAP_dcvs_exp_voltage_corner_t max_corner;
    HAP_clk_perf_mode_t perf_mode;
    uint32 freq_mhz;
    uint32 floor_freq_mhz;
    uint32 param1, param2, param3;
} HAP_power_hmx_payload_v2;

typedef struct {
    HAP_dcvs_voltage_corner_t target_corner;
    HAP_dcvs_voltage_corner_t min_corner;
    HAP_dcvs_voltage_corner_t max_corner;
    uint32 param1, param2, param3;
} HAP_dcvs_params_t, HAP_core_params_t, HAP_bus_params_t;

typedef struct {
    uint32 param1, param2, param3, param4, param5, param6;
} HAP_dcvs_v3_params_t;

typedef enum {
    HAP_DCVS_V2_ADJUST_UP_DOWN = 0x1,
    HAP_DCVS_V2_ADJUST_ONLY_UP = 0x2,
    HAP_DCVS_V2_POWER_SAVER_MODE = 0x4,
    HAP_DCVS_V2_POWER_SAVER_AGGRESSIVE_MODE = 0x8,
    HAP_DCVS_V2_PERFORMANCE_MODE = 0x10,
    HAP_DCVS_V2_DUTY_CYCLE_MODE = 0x20,
} HAP_power_dcvs_v2_payload_option;

typedef struct {
    boolean dcvs_enable;
    HAP_power_dcvs_v2_payload_option dcvs_option;
    boolean set_latency;
    uint32 latency;
    boolean set_dcvs_params;
    HAP_dcvs_params_t dcvs_params;
} HAP_power_dcvs_v2_payload;

typedef struct {
    boolean set_dcvs_enable;
    boolean dcvs_enable;
    HAP_power_dcvs_v2_payload_option dcvs_option;
    boolean set_latency;
    uint32 latency;
    boolean set_core_params;
    HAP_core_params_t core_params;
    boolean set_bus_params;
    HAP_bus_params_t bus_params;
    boolean set_dcvs_v3_params;
    HAP_dcvs_v3_params_t dcvs_v3_params;
    boolean set_sleep_disable;
    boolean sleep_disable;
} HAP_power_dcvs_v3_payload;

typedef enum {
    HAP_power_set_mips_bw = 1,
    HAP_power_set_HVX = 2,
    HAP_power_set_apptype = 3,
    HAP_power_set_linelock = 4,
    HAP_power_set_DCVS = 5,
    HAP_power_set_linelock_nothrottle = 6,
    HAP_power_set_DCVS_v2 = 7,
    HAP_power_set_vapss = 8,
    HAP_power_set_vapss_v2 = 9,
    HAP_power_set_dcvs_v2_update = 10,
    HAP_power_set_streamer = 11,
    HAP_power_set_DCVS_v3 = 12,
    HAP_power_set_HMX = 13,
    HAP_power_set_HMX_v2 = 14,
} HAP_Power_request_type;

typedef struct {
    HAP_Power_request_type type;
    union {
        HAP_power_mips_bw_payload mips_bw;
        HAP_power_hvx_payload hvx;
        HAP_power_app_type_payload apptype;
        HAP_power_linelock_payload linelock;
        HAP_power_linelock_nothrottle_payload linelock_nothrottle;
        HAP_power_dcvs_payload dcvs;
        HAP_power_dcvs_v2_payload dcvs_v2;
        HAP_power_dcvs_v3_payload dcvs_v3;
        HAP_power_hmx_payload hmx;
        HAP_power_hmx_payload_v2 hmx_v2;
        uint64 whole[14];
    };
} HAP_power_request_t;

typedef enum {
    HAP_power_get_max_mips = 1,
    HAP_power_get_max_bus_bw = 2,
    HAP_power_get_client_class = 3,
    HAP_power_get_clk_Freq = 4,
    HAP_power_get_aggregateAVSMpps = 5,
    HAP_power_get_dcvsEnabled = 6,
    HAP_power_get_vapss_core_clk_Freq = 7,
    HAP_power_get_dma_core_clk_Freq = 8,
    HAP_power_get_hcp_core_clk_Freq = 9,
    HAP_power_get_streamer0_core_clk_Freq = 10,
    HAP_power_get_streamer1_core_clk_Freq = 11,
} HAP_Power_response_type;

typedef struct {
    HAP_Power_response_type type;
    union {
        unsigned int max_mips;
        uint64 max_bus_bw;
        unsigned int client_class;
        unsigned int clkFreqHz;
        unsigned int aggregateAVSMpps;
        boolean dcvsEnabled;
    };
} HAP_power_response_t;

int HAP_power_set(void *client, HAP_power_request_t *request);
/* Without effect. */
int HAP_power_set_priority(void *client, int priority);
int HAP_power_get(void *client, HAP_power_response_t *response);
__attribute__((weak)) int HAP_power_destroy_client(void *client);

static inline int HAP_power_destroy(void *client)
{
    return HAP_power_destroy_client ? HAP_power_destroy_client(client) : (int)AEE_EUNSUPPORTEDAPI;
}

#ifdef __cplusplus
}
#endif

#endif
