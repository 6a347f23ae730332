# Checks {{name}} on Windows, and writes a report. Run it in PowerShell as administrator, on a test machine that accepts
# test-signed drivers: a faulty driver stops the system.
#
# The driver is loaded, and checked from this machine: echo, clients that close early and reset, and an unload while
# connections are open. Driver Verifier checks it meanwhile if it is on for the driver; see the report's first lines.
#
# NOT YET RUN ON WINDOWS.
param(
    [Parameter(Mandatory)] [string] $Driver,
    [string] $Report = "{{name}}-report.txt",
    [int] $Port = 7007
)
$ErrorActionPreference = 'Stop'
$name = '{{name}}'
$lines = [Collections.Generic.List[string]]::new()
$failed = 0

function Write-Line([string] $text) { $lines.Add($text); Write-Output $text }

function Test-Step([string] $step, [scriptblock] $body) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    try { & $body; Write-Line "ok     $step ($($watch.ElapsedMilliseconds) ms)" }
    catch { $script:failed++; Write-Line "FAILED $step`: $_" }
}

function Invoke-Sc { sc.exe @args | Out-Null; if ($LASTEXITCODE -ne 0) { throw "sc.exe $args ended with $LASTEXITCODE" } }

function Connect-Driver {
    $client = [Net.Sockets.TcpClient]::new()
    $client.ReceiveTimeout = 10000
    $client.Connect('127.0.0.1', $Port)
    $client
}

function Test-Echo([int] $bytes) {
    $sent = [byte[]]::new($bytes)
    [Random]::new(1).NextBytes($sent)
    $client = Connect-Driver
    try {
        $stream = $client.GetStream()
        $task = $stream.WriteAsync($sent, 0, $bytes)
        $received = [byte[]]::new($bytes)
        $count = 0
        while ($count -lt $bytes) {
            $more = $stream.Read($received, $count, $bytes - $count)
            if ($more -eq 0) { throw "the driver closed after $count of $bytes bytes" }
            $count += $more
        }
        $task.Wait()
        # Compare-Object takes minutes for a mebibyte.
        if ([Convert]::ToBase64String($sent) -cne [Convert]::ToBase64String($received)) { throw 'other bytes came back' }
    } finally { $client.Dispose() }
}

$system = Get-CimInstance Win32_OperatingSystem
Write-Line "$name on $($system.Caption) $($system.Version), $env:PROCESSOR_ARCHITECTURE, $(Get-Date -Format o)"
Write-Line "image: $((Get-FileHash $Driver).Hash), signature: $((Get-AuthenticodeSignature $Driver).Status)"
Write-Line "Driver Verifier: $((verifier.exe /querysettings | Out-String).Trim())"

Test-Step 'create the service' {
    Invoke-Sc create $name type= kernel start= demand binPath= (Resolve-Path $Driver).Path
    $key = "HKLM:\SYSTEM\CurrentControlSet\Services\$name\Parameters"
    New-Item -Force $key | Out-Null
    New-ItemProperty -Force $key -Name Port -PropertyType DWord -Value $Port | Out-Null
}
Test-Step 'load' { Invoke-Sc start $name }
Test-Step 'echo of 1 byte' { Test-Echo 1 }
Test-Step 'echo of 1 MiB' { Test-Echo 1MB }
Test-Step '100 connections one after another' { 1..100 | ForEach-Object { Test-Echo 100 } }
Test-Step 'a client that closes early' { (Connect-Driver).Dispose() }
Test-Step 'a client that resets' {
    $client = Connect-Driver
    $client.LingerState = [Net.Sockets.LingerOption]::new($true, 0)
    # Not through a stream: disposing of one shuts the connection down before it is reset.
    $client.Client.Send([byte[]] @(1)) | Out-Null
    $client.Client.Close()
}
Test-Step 'unload and load' { Invoke-Sc stop $name; Invoke-Sc start $name; Test-Echo 100 }
Test-Step 'unload with 32 connections open' {
    # Each has a receive in flight, which the unload cancels.
    $clients = 1..32 | ForEach-Object { Connect-Driver }
    try {
        Invoke-Sc stop $name
        foreach ($client in $clients) {
            try { if ($client.GetStream().Read([byte[]]::new(1), 0, 1) -ne 0) { throw 'data' } }
            catch [IO.IOException] {
                # A reset is expected. After a timeout, the connection is still open.
                if ($_.Exception.GetBaseException().SocketErrorCode -eq 'TimedOut') { throw 'a connection is still open' }
            }
        }
    } finally { $clients | ForEach-Object { $_.Dispose() } }
}
Test-Step 'delete the service' { Invoke-Sc delete $name }

Write-Line "$failed failed"
$lines | Set-Content -Encoding utf8 $Report
Write-Output "The report is in $Report."
exit [int]($failed -ne 0)
