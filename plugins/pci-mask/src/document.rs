//! Check digits and forms of persons' documents.

/// Brazil's CPF: eleven digits, the last two are checks over those before (Receita Federal).
pub(crate) fn is_cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let sum: usize = digits[..count].iter().enumerate().map(|(at, &digit)| (count + 1 - at) * usize::from(digit)).sum();
        usize::from(digits[count]) == sum * 10 % 11 % 10
    };
    digits.len() == 11 && digits.iter().any(|&digit| digit != digits[0]) && check(9) && check(10)
}

/// A social security number that can exist: nine digits, no area 000, 666 or 9xx, no group 00, no serial 0000 (SSA, since 2011).
pub(crate) fn is_ssn(digits: &[u8]) -> bool {
    digits.len() == 9
        && digits[..3] != [0, 0, 0]
        && digits[..3] != [6, 6, 6]
        && digits[0] != 9
        && digits[3..5] != [0, 0]
        && digits[5..] != [0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_decide() {
        assert!(is_cpf(&[5, 2, 9, 9, 8, 2, 2, 4, 7, 2, 5]) && is_cpf(&[1, 1, 1, 4, 4, 4, 7, 7, 7, 3, 5]));
        assert!(!is_cpf(&[5, 2, 9, 9, 8, 2, 2, 4, 7, 2, 6]) && !is_cpf(&[1; 11]) && !is_cpf(&[1; 10]));
        assert!(is_ssn(&[0, 7, 8, 0, 5, 1, 1, 2, 0]));
        assert!(!is_ssn(&[6, 6, 6, 0, 5, 1, 1, 2, 0]) && !is_ssn(&[0, 7, 8, 0, 0, 1, 1, 2, 0]));
    }
}
