<?php
// Sends one mail by PHPMailer: phpmailer_send.php PORT FROM KIND FILE RECIPIENT...
// KIND text: FILE is the text of a mail that PHPMailer composes as 8-bit; attachment: FILE is
// attached to one; raw: FILE is the mail, sent by PHPMailer's SMTP class.

foreach (['Exception', 'SMTP', 'PHPMailer'] as $class) {
    require "/usr/share/php/libphp-phpmailer/src/$class.php";
}
[, $port, $from, $kind, $file] = $argv;
$recipients = array_slice($argv, 5);

if ($kind === 'raw') {
    $smtp = new PHPMailer\PHPMailer\SMTP();
    $good = $smtp->connect('127.0.0.1', (int) $port) && $smtp->hello('app.example')
        && $smtp->mail($from);
    foreach ($recipients as $recipient) {
        $good = $good && $smtp->recipient($recipient);
    }
    $good = $good && $smtp->data(file_get_contents($file));
    $smtp->quit();
    if (!$good) {
        fwrite(STDERR, json_encode($smtp->getError()) . "\n");
        exit(1);
    }
    exit(0);
}

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = '127.0.0.1';
$mail->Port = (int) $port;
$mail->Hostname = 'app.example';
$mail->SMTPAutoTLS = false;
$mail->CharSet = 'utf-8';
$mail->Encoding = '8bit';
$mail->setFrom($from, 'Example Billing');
foreach ($recipients as $recipient) {
    $mail->addAddress($recipient);
}
$mail->Subject = 'composed by PHPMailer';
if ($kind === 'attachment') {
    $mail->Body = 'attached';
    $mail->addAttachment($file);
} else {
    $mail->Body = file_get_contents($file);
}
$mail->send();
