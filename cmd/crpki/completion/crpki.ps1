# PowerShell completion for crpki

Register-ArgumentCompleter -Native -CommandName crpki -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $program = $elements[0]
    $words = @($elements | Select-Object -Skip 1)
    # With no result, PowerShell offers files.
    & $program __complete @words "=$wordToComplete" 2>$null | Select-Object -Skip 1 | ForEach-Object {
        $word, $about = $_ -split "`t", 2
        if (-not $about) { $about = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
    }
}
