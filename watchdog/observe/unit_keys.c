#include "observe/unit_keys.h"

#include <string.h>

/* All that [Unit], [Service] and [Install] may hold, by strcmp(); '=' in front of those whose value may be shown. */
/* clang-format off */
static const char *const keys[] = {
        "=After", "=Alias", "AllowIsolate", "=AllowedCPUs", "AllowedMemoryNodes", "=Also", "=AmbientCapabilities",
        "AppArmorProfile", "AssertACPower", "AssertArchitecture", "AssertCPUFeature", "AssertCPUPressure",
        "AssertCPUs", "AssertCapability", "AssertControlGroupController", "AssertCredential",
        "AssertDirectoryNotEmpty", "AssertEnvironment", "AssertFileIsExecutable", "AssertFileNotEmpty",
        "AssertFirstBoot", "AssertGroup", "AssertHost", "AssertIOPressure", "AssertKernelCommandLine",
        "AssertKernelModuleLoaded", "AssertKernelVersion", "AssertMemory", "AssertMemoryPressure",
        "AssertNeedsUpdate", "AssertOSRelease", "AssertPathExists", "AssertPathExistsGlob", "AssertPathIsDirectory",
        "AssertPathIsEncrypted", "AssertPathIsMountPoint", "AssertPathIsReadWrite", "AssertPathIsSymbolicLink",
        "AssertSecurity", "AssertUser", "AssertVersion", "AssertVirtualization", "BPFProgram", "=Before",
        "BindLogSockets", "BindPaths", "BindReadOnlyPaths", "BindTo", "=BindsTo", "BlockIOAccounting",
        "BlockIODeviceWeight", "BlockIOReadBandwidth", "BlockIOWeight", "BlockIOWriteBandwidth", "=BusName",
        "=CPUAccounting", "=CPUAffinity", "=CPUQuota", "=CPUQuotaPeriodSec", "=CPUSchedulingPolicy",
        "=CPUSchedulingPriority", "CPUSchedulingResetOnFork", "=CPUShares", "=CPUWeight", "=CacheDirectory",
        "CacheDirectoryAccounting", "CacheDirectoryMode", "CacheDirectoryQuota", "=CapabilityBoundingSet",
        "=CollectMode", "ConditionACPower", "ConditionArchitecture", "ConditionCPUFeature", "ConditionCPUPressure",
        "ConditionCPUs", "ConditionCapability", "ConditionControlGroupController", "ConditionCredential",
        "ConditionDirectoryNotEmpty", "ConditionEnvironment", "ConditionFileIsExecutable", "ConditionFileNotEmpty",
        "ConditionFirmware", "ConditionFirstBoot", "ConditionGroup", "ConditionHost", "ConditionIOPressure",
        "ConditionKernelCommandLine", "ConditionKernelModuleLoaded", "ConditionKernelVersion", "ConditionMemory",
        "ConditionMemoryPressure", "ConditionNeedsUpdate", "ConditionOSRelease", "ConditionPathExists",
        "ConditionPathExistsGlob", "ConditionPathIsDirectory", "ConditionPathIsEncrypted",
        "ConditionPathIsMountPoint", "ConditionPathIsReadWrite", "ConditionPathIsSymbolicLink", "ConditionSecurity",
        "ConditionUser", "ConditionVersion", "ConditionVirtualization", "ConfidentialVirtualization",
        "=ConfigurationDirectory", "ConfigurationDirectoryMode", "=Conflicts", "CoredumpFilter", "CoredumpReceive",
        "=DefaultDependencies", "=DefaultInstance", "DefaultMemoryLow", "DefaultMemoryMin", "=Delegate",
        "DelegateNamespaces", "DelegateSubgroup", "Description", "DeviceAllow", "=DevicePolicy", "DisableControllers",
        "Documentation", "=DynamicUser", "Environment", "EnvironmentFile", "ExecCondition", "=ExecPaths",
        "ExecReload", "ExecReloadPost", "ExecSearchPath", "ExecStart", "ExecStartPost", "ExecStartPre", "ExecStop",
        "ExecStopPost", "=ExitType", "ExtensionDirectories", "ExtensionImagePolicy", "ExtensionImages",
        "ExtraFileDescriptors", "=FailureAction", "FailureActionExitStatus", "=FileDescriptorStoreMax",
        "FileDescriptorStorePreserve", "=FinalKillSignal", "=Group", "=GuessMainPID", "=IOAccounting",
        "IODeviceLatencyTargetSec", "IODeviceWeight", "IOReadBandwidthMax", "IOReadIOPSMax", "=IOSchedulingClass",
        "=IOSchedulingPriority", "=IOWeight", "IOWriteBandwidthMax", "IOWriteIOPSMax", "=IPAccounting",
        "=IPAddressAllow", "=IPAddressDeny", "IPCNamespacePath", "IPEgressFilterPath", "IPIngressFilterPath",
        "IgnoreOnIsolate", "IgnoreSIGPIPE", "ImagePolicy", "ImportCredential", "InaccessibleDirectories",
        "=InaccessiblePaths", "=JobRunningTimeoutSec", "JobTimeoutAction", "JobTimeoutRebootArgument",
        "=JobTimeoutSec", "=JoinsNamespaceOf", "=KeyringMode", "=KillMode", "=KillSignal", "=LimitAS", "=LimitCORE",
        "=LimitCPU", "=LimitDATA", "=LimitFSIZE", "LimitLOCKS", "=LimitMEMLOCK", "LimitMSGQUEUE", "=LimitNICE",
        "=LimitNOFILE", "=LimitNPROC", "=LimitRSS", "=LimitRTPRIO", "LimitRTTIME", "LimitSIGPENDING", "=LimitSTACK",
        "LoadCredential", "LoadCredentialEncrypted", "=LockPersonality", "LogExtraFields", "LogFilterPatterns",
        "=LogLevelMax", "LogNamespace", "=LogRateLimitBurst", "=LogRateLimitIntervalSec", "=LogsDirectory",
        "LogsDirectoryAccounting", "LogsDirectoryMode", "LogsDirectoryQuota", "=ManagedOOMMemoryPressure",
        "ManagedOOMMemoryPressureDurationSec", "=ManagedOOMMemoryPressureLimit", "=ManagedOOMPreference",
        "=ManagedOOMSwap", "=MemoryAccounting", "=MemoryDenyWriteExecute", "=MemoryHigh", "MemoryKSM", "=MemoryLimit",
        "=MemoryLow", "=MemoryMax", "=MemoryMin", "MemoryPressureThresholdSec", "MemoryPressureWatch",
        "=MemorySwapMax", "=MemoryZSwapMax", "MemoryZSwapWriteback", "MountAPIVFS", "MountFlags", "MountImagePolicy",
        "MountImages", "NFTSet", "NUMAMask", "NUMAPolicy", "NetworkNamespacePath", "=Nice", "=NoExecPaths",
        "=NoNewPrivileges", "NonBlocking", "=NotifyAccess", "=OOMPolicy", "OOMRules", "=OOMScoreAdjust", "=OnFailure",
        "OnFailureIsolate", "OnFailureJobMode", "=OnSuccess", "OnSuccessJobMode", "OpenFile", "PAMName", "=PIDFile",
        "=PartOf", "PassEnvironment", "PermissionsStartOnly", "Personality", "PrivateBPF", "=PrivateDevices",
        "=PrivateIPC", "=PrivateMounts", "=PrivateNetwork", "=PrivatePIDs", "=PrivateTmp", "=PrivateUsers",
        "=ProcSubset", "PropagateReloadFrom", "PropagateReloadTo", "PropagatesReloadTo", "PropagatesStopTo",
        "=ProtectClock", "=ProtectControlGroups", "=ProtectHome", "=ProtectHostname", "=ProtectKernelLogs",
        "=ProtectKernelModules", "=ProtectKernelTunables", "=ProtectProc", "=ProtectSystem", "ReadOnlyDirectories",
        "=ReadOnlyPaths", "ReadWriteDirectories", "=ReadWritePaths", "RebootArgument", "RefreshOnReload",
        "RefuseManualStart", "RefuseManualStop", "ReloadPropagatedFrom", "ReloadSignal", "=RemainAfterExit",
        "=RemoveIPC", "=RequiredBy", "=Requires", "=RequiresMountsFor", "RequiresOverridable", "=Requisite",
        "RequisiteOverridable", "=Restart", "=RestartForceExitStatus", "=RestartKillSignal", "=RestartMaxDelaySec",
        "=RestartMode", "=RestartPreventExitStatus", "=RestartRandomizedDelaySec", "=RestartSec", "=RestartSteps",
        "=RestrictAddressFamilies", "RestrictFileSystems", "=RestrictNamespaces", "=RestrictNetworkInterfaces",
        "=RestrictRealtime", "=RestrictSUIDSGID", "=RootDirectory", "RootDirectoryStartOnly", "RootEphemeral",
        "RootHash", "RootHashSignature", "RootImage", "RootImageOptions", "RootImagePolicy", "RootMStack",
        "RootVerity", "=RuntimeDirectory", "=RuntimeDirectoryMode", "RuntimeDirectoryPreserve", "=RuntimeMaxSec",
        "=RuntimeRandomizedExtraSec", "SELinuxContext", "=SecureBits", "=SendSIGHUP", "=SendSIGKILL", "SetCredential",
        "SetCredentialEncrypted", "SetLoginEnvironment", "=Slice", "SmackProcessLabel", "=SocketBindAllow",
        "=SocketBindDeny", "Sockets", "SourcePath", "StandardError", "StandardInput", "StandardInputData",
        "StandardInputText", "StandardOutput", "=StartLimitAction", "=StartLimitBurst", "=StartLimitInterval",
        "=StartLimitIntervalSec", "StartupAllowedCPUs", "StartupAllowedMemoryNodes", "StartupBlockIOWeight",
        "StartupCPUShares", "=StartupCPUWeight", "StartupIOWeight", "StartupMemoryHigh", "StartupMemoryLow",
        "StartupMemoryMax", "StartupMemorySwapMax", "StartupMemoryZSwapMax", "=StateDirectory",
        "StateDirectoryAccounting", "=StateDirectoryMode", "StateDirectoryQuota", "StopPropagatedFrom",
        "=StopWhenUnneeded", "=SuccessAction", "SuccessActionExitStatus", "=SuccessExitStatus",
        "=SupplementaryGroups", "SurviveFinalKillSignal", "SyslogFacility", "SyslogIdentifier", "SyslogLevel",
        "SyslogLevelPrefix", "=SystemCallArchitectures", "SystemCallErrorNumber", "=SystemCallFilter",
        "SystemCallLog", "TTYColumns", "TTYPath", "TTYReset", "TTYRows", "TTYVHangup", "TTYVTDisallocate",
        "=TasksAccounting", "=TasksMax", "TemporaryFileSystem", "=TimeoutAbortSec", "TimeoutCleanSec", "=TimeoutSec",
        "TimeoutStartFailureMode", "=TimeoutStartSec", "TimeoutStopFailureMode", "=TimeoutStopSec", "TimerSlackNSec",
        "=Type", "=UMask", "USBFunctionDescriptors", "USBFunctionStrings", "UnsetEnvironment", "=Upholds", "=User",
        "UtmpIdentifier", "UtmpMode", "WakeOnLAN", "=WantedBy", "=Wants", "=WatchdogSec", "=WatchdogSignal",
        "=WorkingDirectory",
};
/* clang-format on */

#define KEYS ((int)(sizeof(keys) / sizeof(keys[0])))

bool unit_key_is_shown(int key)
{
        return key >= 0 && keys[key][0] == '=';
}

const char *unit_key_name(int key)
{
        return key < 0 ? "other keys" : keys[key] + (keys[key][0] == '=');
}

int unit_key_find(const char *name)
{
        int low = 0, high = KEYS - 1;

        while (low <= high) {
                int middle = low + (high - low) / 2, r = strcmp(unit_key_name(middle), name);

                if (r == 0)
                        return middle;
                if (r < 0)
                        low = middle + 1;
                else
                        high = middle - 1;
        }
        return -1;
}
